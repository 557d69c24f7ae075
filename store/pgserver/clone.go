package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// Restored kills the server and starts another one on a copy of its data, as from a backup: it comes up on a timeline of its own.
// The first one stays away until its Restart.
func (s *Server) Restored(ctx context.Context) (*Server, error) {
	if err := s.Kill(); err != nil {
		return nil, err
	}
	stayAway := func(context.Context) error { return nil }
	return s.clone(ctx, "recovery.signal", map[string]string{"restore_command": "false", "hot_standby": "off"}, stayAway)
}

// Standby restarts the server and starts another one that follows it, until somebody calls pg_promote() there.
func (s *Server) Standby(ctx context.Context, settings map[string]string) (*Server, error) {
	if err := s.Kill(); err != nil {
		return nil, err
	}
	follow := map[string]string{
		"primary_conninfo": fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s application_name=standby", s.port, superuser, s.password),
		"hot_standby":      "on",
	}
	maps.Copy(follow, settings)
	return s.clone(ctx, "standby.signal", follow, s.Restart)
}

// clone copies the data of a server that does not run, calls then, and starts the copy.
func (s *Server) clone(ctx context.Context, signal string, settings map[string]string, then func(context.Context) error) (*Server, error) {
	options := s.options
	options.DataDir, options.Port = "", 0
	options.Settings = maps.Clone(options.Settings)
	if options.Settings == nil {
		options.Settings = map[string]string{}
	}
	maps.Copy(options.Settings, settings)
	c := &Server{options: options, account: s.account, binaries: s.binaries, password: s.password}
	if err := c.copyFrom(s, signal); err != nil {
		return nil, errors.Join(fmt.Errorf("copy data directory: %w", err), c.close())
	}
	if err := then(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.run(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), c.close())
	}
	return c, nil
}

func (s *Server) copyFrom(other *Server, signal string) (err error) {
	if s.runDir, err = s.account.makeTempDir(s.options.InMemory); err != nil {
		return err
	}
	dataDir := filepath.Join(s.runDir, "data")
	if err := s.account.makeDataDir(dataDir); err != nil {
		return err
	}
	if s.lock, err = lockDir(dataDir); err != nil {
		return err
	}
	s.cluster = filepath.Join(dataDir, "cluster")
	if err := s.account.copyTree(other.cluster, s.cluster); err != nil {
		return err
	}
	return s.account.writeFile(filepath.Join(s.cluster, signal), "")
}

// copyTree copies folders and files, which then belong to the account.
func (a account) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			return a.makeOwnDir(target)
		case !entry.Type().IsRegular() || entry.Name() == "postmaster.pid":
			return nil
		}
		return a.copyFile(path, target)
	})
}

func (a account) copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), a.own(to))
}

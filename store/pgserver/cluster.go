package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A data directory holds
//
//	cluster/      Postgres's own data directory
//	cluster.new/  the same while initdb works on it
//	password      of the superuser
//	lock          held by the program that uses the directory

// openCluster finds the binaries that fit the data directory and makes the cluster if there is none.
func (s *Server) openCluster(ctx context.Context, dataDir string) error {
	passwordFile := filepath.Join(dataDir, "password")
	major, err := clusterMajor(s.cluster)
	if err != nil {
		return err
	}
	if s.binaries, err = find(ctx, s.options.BinDir, major); err != nil {
		return err
	}
	if major == 0 {
		return s.makeCluster(ctx, passwordFile)
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return fmt.Errorf("read password of the database: %w", err)
	}
	s.password = strings.TrimSpace(string(password))
	return nil
}

// clusterMajor is the major version of Postgres that a cluster belongs to, 0 if there is no cluster.
func clusterMajor(cluster string) (int, error) {
	content, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of the database: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read version of the database in %s: %w", cluster, err)
	}
	return major, nil
}

// makeCluster works beside the final place and renames at the end, so that a start that was cut short leaves
// nothing that looks like a database.
func (s *Server) makeCluster(ctx context.Context, passwordFile string) error {
	// The machine may have other users, and they reach the loopback address too.
	s.password = rand.Text()
	verifier, err := verifierOf(s.password)
	if err != nil {
		return err
	}
	if err := s.account.writeFile(passwordFile, verifier+"\n"); err != nil { // initdb reads it there
		return fmt.Errorf("write verifier of the database's password: %w", err)
	}
	unfinished := s.cluster + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("remove unfinished database: %w", err)
	}
	if err := s.account.makeOwnDir(unfinished); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := s.initdb(ctx, unfinished, passwordFile); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := s.account.writeFile(passwordFile, s.password+"\n"); err != nil {
		return fmt.Errorf("write password of the database: %w", err)
	}
	if err := os.Rename(unfinished, s.cluster); err != nil {
		return fmt.Errorf("finish data directory: %w", err)
	}
	return nil
}

func (s *Server) initdb(ctx context.Context, dir, passwordFile string) error {
	arguments := []string{
		"--pgdata=" + dir, "--username=" + superuser, "--pwfile=" + passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
	}
	if !s.options.Durable {
		arguments = append(arguments, "--no-sync")
	}
	log := &tail{}
	cmd := s.command(s.binaries.initdb, arguments...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%w: %w", p.err, log.explain())
		}
		return nil
	case <-ctx.Done():
		// On SIGINT initdb ends its helpers and removes what it made.
		return errors.Join(ctx.Err(), p.end(syscall.SIGINT, immediateShutdown))
	}
}

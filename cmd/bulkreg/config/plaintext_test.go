package config

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPlaintextBaseURLs(t *testing.T) {
	t.Parallel()
	const further = "REGISTRAR_ACCOUNTS_1_NAME=b\x00REGISTRAR_ACCOUNTS_1_CLIENT_ID=b\x00REGISTRAR_ACCOUNTS_1_CLIENT_SECRET=s\x00"
	for environ, want := range map[string]string{
		"REGISTRAR_BASE_URL=http://api.example.com/v1":                                        "REGISTRAR_BASE_URL begins with http://",
		"REGISTRAR_BASE_URL=HTTP://api.example.com":                                           `"api.example.com"`,
		"REGISTRAR_BASE_URL=http://10.0.0.1:8081":                                             `"10.0.0.1"`,
		"REGISTRAR_BASE_URL=http://[2001:db8::1]:8081":                                        `"2001:db8::1"`,
		"REGISTRAR_BASE_URL=http://0.0.0.0:8081":                                              "0.0.0.0",
		"REGISTRAR_BASE_URL=http://127.0.0.1.example.com":                                     "example.com",
		"REGISTRAR_BASE_URL=http://localhost.example.com":                                     "example.com",
		"REGISTRAR_BASE_URL=http://x.localhost":                                               "x.localhost",
		"REGISTRAR_BASE_URL=http://X.LocalHost.:8081":                                         "X.LocalHost.",
		"REGISTRAR_BASE_URL=http://localhost.:8081":                                           "",
		"REGISTRAR_BASE_URL=http://sandbox.shop.svc.cluster.local":                            "cluster.local",
		"REGISTRAR_ALLOW_PLAINTEXT=0\x00REGISTRAR_BASE_URL=http://api.example.com":            "set REGISTRAR_ALLOW_PLAINTEXT=1",
		further + "REGISTRAR_ACCOUNTS_1_BASE_URL=http://b.example.com":                        "REGISTRAR_ACCOUNTS_1_BASE_URL begins",
		"REGISTRAR_BASE_URL=https://api.example.com":                                          "",
		"REGISTRAR_BASE_URL=http://127.0.0.1:8081":                                            "",
		"REGISTRAR_BASE_URL=http://127.8.9.1":                                                 "",
		"REGISTRAR_BASE_URL=http://[::1]:8081":                                                "",
		"REGISTRAR_BASE_URL=http://LocalHost:8081":                                            "",
		"REGISTRAR_ALLOW_PLAINTEXT=1\x00REGISTRAR_BASE_URL=http://api.example.com":            "",
		further + "REGISTRAR_BASE_URL=http://127.0.0.1":                                       "",
		further + "REGISTRAR_ALLOW_PLAINTEXT=1\x00REGISTRAR_ACCOUNTS_1_BASE_URL=http://b.com": "",
	} {
		_, err := Load(strings.Split(environ, "\x00"))
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", environ, err)
			}
			continue
		}
		checkProblems(t, err, []string{want})
	}
	_, err := Load([]string{"REGISTRAR_ALLOW_PLAINTEXT=yes"})
	checkProblems(t, err, []string{`REGISTRAR_ALLOW_PLAINTEXT="yes" is not known: give one of 0, 1`})
}

// A name without a dot is looked up: this machine's list of hosts may know it.
func TestRevealingNames(t *testing.T) {
	t.Parallel()
	known := map[string][]netip.Addr{
		"here":  {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
		"both":  {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.1")},
		"there": {netip.MustParseAddr("10.0.0.1")},
	}
	lookup := func(name string) []netip.Addr { return known[name] }
	for base, want := range map[string]bool{
		"http://here:8081": false, "http://both": true, "http://there": true, "http://nowhere": true, "https://there": false,
		"http://127.0.0.1": false, "http://api.example.com": true,
	} {
		if got := (Config{}).Reveals(base, lookup); got != want {
			t.Errorf("%s reveals: %v", base, got)
		}
		if (Config{RegistrarAllowPlaintext: "1"}).Reveals(base, lookup) {
			t.Errorf("%s is not allowed, although it is", base)
		}
	}
}

func TestOutside(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"": false, "/var/run/postgresql": false, "@abstract": false, "localhost": false, "127.0.0.1": false, "::1": false,
		"10.1.2.3": false, "172.16.0.9": false, "172.32.0.9": true, "192.168.1.1": false, "100.64.0.1": false, "169.254.1.1": false,
		"fd00::1": false, "fe80::1%eth0": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true, "8.8.8.8": true, "2001:db8::1": true,
		"postgres": false, "postgres.shop.svc": false, "postgres.shop.svc.cluster.local": false, "cluster.local": false, "POSTGRES.SHOP.SVC.": false,
		"postgres.shop.svc.k8s.example": true, "evil.svc.attacker.com": true, "a.b.svc.attacker.com": true, "a.svc.cluster.local.attacker.com": true,
		"db.home.arpa": false, "DB.Home.ARPA.": false, "home.arpa.example.com": true, "db.localhost": true,
		"db.internal": false, "db.example.com": true, "DB.Example.COM.": true, "svc.example.com": true, ".": false, "134744072": true,
	} {
		if got := Outside(host); got != want {
			t.Errorf("%q outside: %v", host, got)
		}
	}
}

func TestWarningsOfUnencryptedConnections(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{
		"REDIS_URL=redis://:secret@redis.example.com:6379":                                         "REDIS_URL leads out",
		"REDIS_URL=redis://8.8.8.8":                                                                "REDIS_URL leads out",
		"REDIS_URL=redis://a.example.com?master_name=m&addr=b.example.com:1":                       "REDIS_URL leads out",
		"REDIS_URL=redis://10.0.0.1?addr=c.example.com:6379":                                       "REDIS_URL leads out",
		"REDIS_URL=rediss://:secret@redis.example.com:6379":                                        "",
		"REDIS_URL=redis://redis":                                                                  "",
		"REDIS_URL=redis://redis.shop.svc.cluster.local":                                           "",
		"REDIS_URL=redis://192.168.1.7":                                                            "",
		"REDIS_URL=unix:///var/run/redis.sock":                                                     "",
		"DATABASE_URL=postgres://u:secret@db.example.com/d":                                        "DATABASE_URL leads out",
		"DATABASE_URL=postgres://u:secret@db.example.com/d?sslmode=disable":                        "DATABASE_URL leads out",
		"DATABASE_URL=postgres://u:secret@10.0.0.1,db.example.com/d":                               "DATABASE_URL leads out",
		"DATABASE_URL=host=8.8.8.8 sslmode=allow":                                                  "DATABASE_URL leads out",
		"DATABASE_URL=postgres://u:secret@db.example.com/d?sslmode=require":                        "DATABASE_URL leads out of the private networks, to \"db.example.com\", and takes any",
		"DATABASE_URL=postgres://u:secret@db.example.com/d?sslmode=verify-ca":                      "DATABASE_URL leads out of the private networks, to \"db.example.com\", and takes any",
		"DATABASE_URL=postgres://u:secret@10.0.0.1/d?sslmode=verify-ca":                            "",
		"REDIS_URL=redis://134744072":                                                              "REDIS_URL leads out",
		"REDIS_URL=redis://0x08080808":                                                             "REDIS_URL leads out",
		"DATABASE_URL=postgres://u:secret@10.0.0.1/d?sslmode=require":                              "",
		"DATABASE_URL=postgres://u:secret@db.example.com/d?sslmode=verify-full&sslrootcert=system": "",
		"REDIS_URL=rediss://:secret@redis.example.com:6379?skip_verify=true":                       "REDIS_URL leads out of the private networks, to \"redis.example.com\", and skip_verify",
		"REDIS_URL=rediss://a.example.com?master_name=m&addr=b.example.com:1&skip_verify=true":     "REDIS_URL leads out",
		"REDIS_URL=rediss://10.0.0.1?skip_verify=true":                                             "",
		"DATABASE_URL=postgres://u:secret@10.0.0.1/d?sslmode=disable":                              "",
		"DATABASE_URL=postgres://u:secret@postgres.shop.svc/d":                                     "",
		"DATABASE_URL=host=/var/run/postgresql dbname=d":                                           "",
		"DATABASE_URL=postgres://u:secret@localhost/d":                                             "",
	} {
		c, err := Load([]string{environ})
		if err != nil {
			t.Errorf("%s: %v", environ, err)
			continue
		}
		got := strings.Join(c.Warnings(), "\n") + c.DatabaseWarning()
		if (want == "") != (got == "") || !strings.HasPrefix(got, want) || strings.Contains(got, "secret") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", environ, got)
		}
	}
}

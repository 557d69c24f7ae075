// Package config is every setting of bulkreg: read from environment variables, checked as a whole, and listed from one
// place, the struct Config.
//
// Load reports everything that is wrong at once, one line for each problem, with what to write instead. What only some
// commands need may be missing; Database, Redis and Accounts ask for it. The package must never let a secret into
// an error, a list or a print of Config, and reads nothing but the environment it is given and the files that
// this names.
package config

import (
	"time"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Config is every setting. The tags are the documentation: Fields makes a list of them, and Load checks by them.
//
//	env, envDefault  the variable and its default
//	unit, reason     what it counts, and what it is for
//	min, max         bounds, both allowed
//	oneof            the words allowed
//	example          for errors; the default, where there is no example
//	use              which commands besides workers read it, see Use
//	file             also read from the file that <variable>_FILE names
//
// Values of the type Secret are never shown.
type Config struct {
	DatabaseURL      registrar.Secret `env:"DATABASE_URL" use:"store" unit:"address" file:"true" example:"postgres://bulkreg:PASSWORD@localhost:5432/bulkreg" reason:"the Postgres that keeps orders, jobs and calls"`
	DatabaseMaxConns int              `env:"DATABASE_MAX_CONNS" use:"store" envDefault:"20" min:"4" max:"1000" unit:"connections" reason:"at most so many per process; 20 keep a worker of one account busy"`
	RedisURL         registrar.Secret `env:"REDIS_URL" unit:"address" file:"true" example:"redis://:PASSWORD@localhost:6379/0" reason:"the Redis that delivers work to workers"`
	ProducerKeys     registrar.Secret `env:"PRODUCER_KEYS" unit:"text" file:"true" example:"shop=KEY,shop=NEXT_KEY" reason:"SOURCE=KEY entries with which producers sign; if set, unsigned chunks are turned away"`

	ExtraSuffixes string `env:"EXTRA_SUFFIXES" use:"orders,registrar" unit:"list" file:"true" example:"co.nl,uk.com,*.name" reason:"suffixes under which your registrar sells names and no registry does, such as co.nl,uk.com,*.name"`

	RegistrarBaseURL      string           `env:"REGISTRAR_BASE_URL" use:"registrar" unit:"URL" example:"https://api.example.com/v1" reason:"root of the registrar's API"`
	RegistrarClientID     string           `env:"REGISTRAR_CLIENT_ID" use:"registrar" unit:"text" file:"true" example:"my-client-id" reason:"credentials of the account named default"`
	RegistrarClientSecret registrar.Secret `env:"REGISTRAR_CLIENT_SECRET" use:"registrar" unit:"text" file:"true" example:"my-client-secret" reason:"credentials of the account named default"`

	RegistrarAllowPlaintext string `env:"REGISTRAR_ALLOW_PLAINTEXT" use:"registrar" oneof:"0,1" example:"1" unit:"word" reason:"1 allows a base URL with http:// on another machine: credentials and people's details travel unencrypted"`

	RegistrarPathAuthenticate string `env:"REGISTRAR_PATH_AUTHENTICATE" use:"registrar" envDefault:"/authenticate" unit:"path" reason:"POST: get a token"`
	RegistrarPathCheck        string `env:"REGISTRAR_PATH_CHECK" use:"registrar" envDefault:"/whois/{domain}" unit:"path" reason:"GET: check one domain"`
	RegistrarPathCheckBulk    string `env:"REGISTRAR_PATH_CHECK_BULK" use:"registrar" envDefault:"/whois" unit:"path" reason:"POST: check many domains"`
	RegistrarPathRegister     string `env:"REGISTRAR_PATH_REGISTER" use:"registrar" envDefault:"/domain" unit:"path" reason:"POST: register one domain"`
	RegistrarPathRegisterBulk string `env:"REGISTRAR_PATH_REGISTER_BULK" use:"registrar" envDefault:"/domain/bulk" unit:"path" reason:"POST: register many domains"`
	RegistrarPathHolder       string `env:"REGISTRAR_PATH_HOLDER" use:"registrar" envDefault:"/domainholder" unit:"path" reason:"PUT creates a holder, POST finds one"`
	RegistrarPathHolderByID   string `env:"REGISTRAR_PATH_HOLDER_BY_ID" use:"registrar" envDefault:"/domainholder/{id}" unit:"path" reason:"PATCH updates a holder, DELETE deletes one"`

	WhoisBatchSize   int           `env:"WHOIS_BATCH_SIZE" use:"orders,registrar" envDefault:"100" min:"1" max:"1000" unit:"domains" reason:"in one bulk WHOIS call at most"`
	WhoisLinger      time.Duration `env:"WHOIS_LINGER" envDefault:"100ms" min:"0s" max:"1m" unit:"duration" reason:"how long a call that is not full waits for more domains"`
	WhoisConcurrency int           `env:"WHOIS_CONCURRENCY" use:"registrar" envDefault:"4" min:"1" max:"100" unit:"calls" reason:"in flight, per account and process"`

	RegisterBatchSize   int           `env:"REGISTER_BATCH_SIZE" use:"orders" envDefault:"50" min:"1" max:"1000" unit:"domains" reason:"in one bulk registration at most"`
	RegisterLinger      time.Duration `env:"REGISTER_LINGER" envDefault:"500ms" min:"0s" max:"1m" unit:"duration" reason:"how long a call that is not full waits for more domains"`
	RegisterConcurrency int           `env:"REGISTER_CONCURRENCY" envDefault:"2" min:"1" max:"100" unit:"calls" reason:"in flight, per account and process"`

	RegisterDailyLimit int `env:"REGISTER_DAILY_LIMIT" envDefault:"0" example:"5000" min:"0" max:"10000000" unit:"domains" reason:"that may be paid for per account and UTC day, over all workers together; 0 is no limit"`

	RegistrarRate float64 `env:"REGISTRAR_RATE" envDefault:"0" example:"5" min:"0" max:"100000" unit:"requests/s" reason:"per account, over all workers together; 0 is no limit"`

	TokenURL           string           `env:"PMG_TOKEN_URL" envDefault:"https://webapi.pmg.be/v2/token/gettoken" unit:"URL" reason:"where PMG's GetToken is"`
	AccessToken        registrar.Secret `env:"PMG_ACCESS_TOKEN" unit:"text" file:"true" example:"my-access-token" reason:"PMG's credentials; in a file they are read anew for each call"`
	TokenConcurrency   int              `env:"TOKEN_CONCURRENCY" envDefault:"4" min:"1" max:"100" unit:"calls" reason:"for tokens in flight, per process"`
	TokenEncryptionKey registrar.Secret `env:"TOKEN_ENCRYPTION_KEY" use:"store,orders" unit:"text" file:"true" example:"KEY,OLD_KEY" reason:"base64 of 32 bytes, with which people and tokens are kept; behind a comma those that it replaces"`
	TokenLanguages     string           `env:"TOKEN_LANGUAGES" use:"orders" envDefault:"nl,fr,en" unit:"list" reason:"that a token may be asked for in"`

	UpstreamTimeout      time.Duration `env:"UPSTREAM_TIMEOUT" use:"registrar" envDefault:"30s" min:"10ms" max:"10m" unit:"duration" reason:"how long one upstream call may take"`
	ReconcileAfter       time.Duration `env:"RECONCILE_AFTER" envDefault:"10m" min:"0s" max:"168h" unit:"duration" reason:"from an unanswered registration to the first WHOIS reading; WHOIS may lag"`
	ReconcileEvery       time.Duration `env:"RECONCILE_EVERY" envDefault:"1m" min:"0s" max:"24h" unit:"duration" reason:"between two of these readings"`
	ReconcileChecks      int           `env:"RECONCILE_CHECKS" envDefault:"2" min:"1" max:"100" unit:"readings" reason:"that must all say available before a domain is sent again"`
	RetryBase            time.Duration `env:"RETRY_BASE" envDefault:"2s" min:"1ms" max:"1h" unit:"duration" reason:"first wait before a retry; each further one is up to twice as long"`
	RetryMax             time.Duration `env:"RETRY_MAX" envDefault:"10m" min:"1ms" max:"24h" unit:"duration" reason:"longest wait before a retry"`
	MaxAttempts          int           `env:"MAX_ATTEMPTS" envDefault:"12" min:"1" max:"1000" unit:"attempts" reason:"then a job that never got an answer fails as exhausted"`
	PaymentProbeInterval time.Duration `env:"PAYMENT_PROBE_INTERVAL" envDefault:"5m" min:"1ms" max:"24h" unit:"duration" reason:"from a hold on an account to its first probe; the next ones are up to 6 times as far apart"`

	RetentionWhois  time.Duration `env:"RETENTION_WHOIS" envDefault:"0s" example:"2160h" min:"0s" max:"87600h" unit:"duration" reason:"how long the jobs of an order of WHOIS checks are kept after the last of them ended, such as 2160h, which are 90 days; the order itself and its counts stay; 0 is for ever"`
	RetentionToken  time.Duration `env:"RETENTION_TOKEN" envDefault:"0s" example:"2160h" min:"0s" max:"87600h" unit:"duration" reason:"the same for orders of tokens; registrations are kept for ever"`
	RetentionEvents time.Duration `env:"RETENTION_EVENTS" envDefault:"0s" example:"2160h" min:"0s" max:"87600h" unit:"duration" reason:"how long the log of events keeps one for those who read it, such as 2160h, which are 90 days; 0 is for ever"`

	TerminationGracePeriod time.Duration `env:"TERMINATION_GRACE_PERIOD" envDefault:"90s" min:"1s" max:"1h" unit:"duration" reason:"what a worker gets to stop; Kubernetes' terminationGracePeriodSeconds is the same"`

	MetricsAddr string `env:"METRICS_ADDR" use:"api" envDefault:"127.0.0.1:9090" unit:"address" reason:"where a worker answers /healthz, /readyz and /metrics, and the HTTP API /metrics; :9090 is every interface, off is nowhere"`

	HTTPAddr              string `env:"HTTP_ADDR" use:"api" envDefault:":8080" unit:"address" reason:"where the HTTP API listens"`
	HTTPTLSCert           string `env:"HTTP_TLS_CERT" use:"api" unit:"file" example:"/run/tls/tls.crt" reason:"certificate of the HTTP API, PEM, read anew when it changes; without it the API speaks plain HTTP"`
	HTTPTLSKey            string `env:"HTTP_TLS_KEY" use:"api" unit:"file" example:"/run/tls/tls.key" reason:"its private key, PEM"`
	HTTPMaxBody           int    `env:"HTTP_MAX_BODY" use:"api" envDefault:"256" min:"1" max:"4096" unit:"MiB" reason:"the largest order that the HTTP API takes, as it comes and unpacked; a million domains are some 30"`
	HTTPRequestsPerMinute int    `env:"HTTP_REQUESTS_PER_MINUTE" use:"api" envDefault:"3000" min:"1" max:"10000000" unit:"requests" reason:"of a key a minute, for keys that were made without a number of their own; fifty a second let nobody wait and a runaway do no harm"`

	WebhookAllowedNetworks string `env:"WEBHOOK_ALLOWED_NETWORKS" use:"orders,api" unit:"list" example:"10.20.0.0/16,fd12::/32" reason:"networks to which webhooks may lead although they are not public, also over http, such as 10.20.0.0/16"`

	Operator string `env:"BULKREG_OPERATOR" example:"ann" unit:"text" reason:"who confirms, retries, cancels and pauses, for the record, unless --by says; default the system's user"`

	LogLevel  string `env:"LOG_LEVEL" use:"api" envDefault:"info" oneof:"debug,info,warn,error" unit:"word" reason:"debug, info, warn or error"`
	LogFormat string `env:"LOG_FORMAT" use:"api" oneof:"json,console" example:"json" unit:"word" reason:"json or console; default console on a terminal, json elsewhere"`

	TracesEndpoint string           `env:"OTEL_EXPORTER_OTLP_ENDPOINT" use:"api" unit:"URL" example:"http://localhost:4318" reason:"of a collector of OpenTelemetry's that takes OTLP over HTTP, such as http://localhost:4318; without it no traces are sent"`
	TracesHeaders  registrar.Secret `env:"OTEL_EXPORTER_OTLP_HEADERS" use:"api" unit:"text" file:"true" example:"authorization=Bearer%20TOKEN" reason:"NAME=VALUE entries that the collector asks for"`
	TracesRatio    float64          `env:"TRACES_RATIO" use:"api" envDefault:"1" min:"0" max:"1" unit:"parts" reason:"of the traces that begin here are sent, such as 0.1; those of callers are sent where they say so"`

	AccessTokenFile string `env:"-"` // where PMG_ACCESS_TOKEN_FILE says that it is; "" for nowhere

	Further []Account `env:"-"` // accounts with a number, in its order; exported, so that printing a Config hides their secrets

	strays []string // variables that look like settings, and are none
}

// Off is the word for an address at which nothing shall listen.
const Off = "off"

// Paths are the paths of the registrar's API.
func (c Config) Paths() registrar.Paths {
	return registrar.Paths{
		Authenticate: c.RegistrarPathAuthenticate,
		Check:        c.RegistrarPathCheck,
		CheckBulk:    c.RegistrarPathCheckBulk,
		Register:     c.RegistrarPathRegister,
		RegisterBulk: c.RegistrarPathRegisterBulk,
		Holder:       c.RegistrarPathHolder,
		HolderByID:   c.RegistrarPathHolderByID,
	}
}

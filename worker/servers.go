package worker

import (
	"fmt"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/job"
)

// server is an Asynq server and what it serves.
type server struct {
	*asynq.Server
	handler asynq.Handler
}

const (
	// adopters is how many statements adopt producers' chunks of a kind at a time. Each needs a connection to Postgres.
	adopters = 3
	// newcomers is how many of these chunks may be in hand: the more there are, the more a statement adopts. Each holds as much
	// memory as its producer chose, up to queue.MaxPayloadBytes.
	newcomers = 128
	// adoptionServers is how many Asynq servers take these chunks. Each asks Redis for one task after the other, so that several
	// take more of them in the same time. Idle, all of them together ask as often as one would.
	adoptionServers = 3
	// checkInterval is how long a task may lie in an idle worker's queue, for a few accounts. It grows with their number, so
	// that looking for work costs no more with many.
	checkInterval = 50 * time.Millisecond
	// fewAccounts is how many accounts are looked after so often.
	fewAccounts = 4
)

// addServers makes the Asynq servers. Each kind and account has its own: handlers wait for their jobs, and those of a slow
// account must never be all the handlers that there are. The public queues of a kind have others.
func (w *Worker) addServers(client redis.UniversalClient) {
	o := w.options
	adopting := map[queue.Kind]map[string]*pipeline{}
	for _, p := range w.pipelines {
		kind := queue.Kind(p.kind)
		if adopting[kind] == nil {
			adopting[kind] = map[string]*pipeline{}
		}
		adopting[kind][p.account] = p
		w.servers = append(w.servers, server{
			Server:  deliveryServer(kind, p.account, client, o),
			handler: &handler{kind: kind, pipeline: p, handled: w.dispatcher.nudge, log: p.log},
		})
	}
	for _, kind := range o.Kinds {
		w.addAdoption(kind, adopting[kind], client)
	}
}

// addAdoption makes what adopts producers' chunks of a kind.
func (w *Worker) addAdoption(kind queue.Kind, pipelines map[string]*pipeline, client redis.UniversalClient) {
	o := w.options
	log := o.Log.With().Str("role", "adopter").Str("kind", string(kind)).Logger()
	a := &adopter{
		kind: kind, store: o.Store, pipelines: pipelines, chunkSize: o.tuning(kind).BatchSize,
		lines: newAdoptionLines(),
		keys:  o.ProducerKeys, makes: rowMaker{rules: job.Rules{Suffixes: o.Suffixes, Languages: o.Languages}, keys: o.Seal}, again: w.producer.Again, log: log, tracer: o.tracer,
		down: &sharedOutage{outage: outage{log: log, what: "adopting producers' chunks", troubles: o.troubles}},
	}
	for range adoptionServers {
		w.servers = append(w.servers, server{Server: adoptionServer(a, client, o), handler: a})
	}
}

// deliveryServer serves the queues of one account.
func deliveryServer(kind queue.Kind, account string, client redis.UniversalClient, o Options) *asynq.Server {
	t := o.tuning(kind)
	c := serverConfig(o, o.Log.With().Str("role", "asynq").Str("kind", string(kind)).Str("account", account).Logger())
	c.Queues = queue.AccountWeights(kind, account)
	// Handlers wait for their jobs: there must be enough of them to fill the calls in flight and the next ones from chunks
	// of a single job.
	c.Concurrency = 2 * t.Concurrency * t.BatchSize
	c.TaskCheckInterval = checkInterval * time.Duration(max(len(o.Accounts), fewAccounts)) / fewAccounts
	return asynq.NewServerFromRedisClient(client, c)
}

// adoptionServer is one of several that serve the public queues of a kind.
func adoptionServer(a *adopter, client redis.UniversalClient, o Options) *asynq.Server {
	c := serverConfig(o, o.Log.With().Str("role", "asynq").Str("kind", string(a.kind)).Logger())
	c.Queues = queue.Weights(a.kind)
	c.BaseContext, c.ErrorHandler = newHandling, asynq.ErrorHandlerFunc(a.expired)
	c.IsFailure, c.RetryDelayFunc = isExpiry, expiryDelay
	c.Concurrency = newcomers / adoptionServers
	c.TaskCheckInterval = adoptionServers * checkInterval
	c.DelayedTaskCheckInterval = tick // tasks that found Postgres away come back this way
	return asynq.NewServerFromRedisClient(client, c)
}

func serverConfig(o Options, log zerolog.Logger) asynq.Config {
	return asynq.Config{
		// The coalescer is drained first; by then handlers return at once.
		ShutdownTimeout: o.drainTime(),
		// Only what found Postgres away comes back this way, and that does not count as a try.
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return tick },
		IsFailure:      func(error) bool { return false },
		Logger:         asynqLog{log},
		LogLevel:       asynq.WarnLevel,
	}
}

// servedQueues are the names of the queues that a worker serves.
func servedQueues(o Options) []string {
	var names []string
	for _, kind := range o.Kinds {
		for _, lane := range queue.Lanes() {
			names = append(names, queue.Queue(kind, lane))
			for _, a := range o.Accounts {
				if slices.Contains(o.kindsOf(a), kind) {
					names = append(names, queue.AccountQueue(kind, lane, a.Name))
				}
			}
		}
	}
	return names
}

// queuesOf are those of servedQueues that jobs of a kind and account take.
func queuesOf(kind record.Kind, account string) []string {
	var names []string
	for _, lane := range queue.Lanes() {
		names = append(names, queue.Queue(queue.Kind(kind), lane), queue.AccountQueue(queue.Kind(kind), lane, account))
	}
	return names
}

// asynqLog lets Asynq write to our log.
type asynqLog struct{ log zerolog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }

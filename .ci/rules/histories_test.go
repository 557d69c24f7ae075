package rules

// healthy is a bulkreg with work that moves, for an hour and more. A history that names one of its series stands beside it, as of another
// process: rules take the greatest, or the sum.
const healthy = `
	bulkreg_figures_timestamp_seconds{instance="a"} 0+60x100
	bulkreg_holds{instance="a",account="default",reason="payment"} 0x100
	bulkreg_registrations_today{instance="a",account="default"} 10x100
	bulkreg_registrations_daily_limit{instance="a"} 1000x100
	bulkreg_jobs{instance="a",account="default",kind="register",state="queued"} 50x100
	bulkreg_jobs{instance="a",account="default",kind="register",state="unconfirmed"} 0x100
	bulkreg_workers{instance="a",account="default",kind="register"} 2x100
	bulkreg_oldest_due_seconds{instance="a",account="default",kind="register",lane="plain"} 2x100
	bulkreg_settled_jobs_total{instance="a",account="default",kind="register"} 0+50x100
	bulkreg_calls_total{instance="a",account="default",op="register",status="200"} 0+10x100
	bulkreg_calls_total{instance="a",account="default",op="register",status="500"} 0x100
	bulkreg_webhook_waiting_deliveries{instance="a"} 3x100
	bulkreg_webhook_overdue_seconds{instance="a"} 0x100
	bulkreg_postgres_oldest_transaction_seconds{instance="a"} 1x100
`

// history is what becomes of an alert over time.
type history struct {
	fires string   // something that it is for, beside what is healthy
	ends  string   // a metric that what is healthy does not have then
	after int      // minutes, until it fires
	with  []string // other alerts that fire by then, rightly
	quiet string   // something alike that is well
}

func histories() map[string]history {
	return map[string]history{
		"BulkregPaymentHold": {
			fires: `bulkreg_holds{instance="b",account="brand-b",reason="payment"} 0x4 1x90`, after: 7,
			quiet: `bulkreg_holds{instance="b",account="brand-b",reason="payment"} 0x4 1 0 1 0x90`,
		},
		"BulkregAuthHold": {
			fires: `bulkreg_holds{instance="b",account="pmg",reason="auth"} 1x90`, after: 2,
			quiet: `bulkreg_holds{instance="b",account="pmg",reason="daily_limit"} 1x90`,
		},
		"BulkregContractHold": {
			fires: `bulkreg_holds{instance="b",account="default",reason="contract"} 1x90`, after: 2,
			quiet: `bulkreg_holds{instance="b",account="default",reason="paused"} 1x90`,
		},
		"BulkregOutageHold": {
			fires: `bulkreg_holds{instance="b",account="default",reason="outage"} 1x90`, after: 15,
			quiet: `bulkreg_holds{instance="b",account="default",reason="outage"} 1x10 0x80`,
		},
		// The worker that reads figures dies, and another one goes on telling the same.
		"BulkregRestoredHold": {
			fires: `bulkreg_holds{instance="b",account="default",reason="restored"} 0x2 1x3 _x90
				bulkreg_holds{instance="c",account="default",reason="restored"} _x5 1x90`, after: 3,
			quiet: `bulkreg_holds{instance="b",account="default",reason="restored"} 0x90`,
		},
		"BulkregDailyCeilingNear": {
			fires: `bulkreg_registrations_today{instance="b",account="brand-b"} 0+100x90`, after: 10,
			quiet: `bulkreg_registrations_today{instance="b",account="brand-b"} 900x90`,
		},
		"BulkregUnconfirmed": {
			fires: `bulkreg_jobs{instance="b",account="brand-b",kind="register",state="unconfirmed"} 0x1 3x90`, after: 17,
			quiet: `bulkreg_jobs{instance="b",account="brand-b",kind="register",state="unconfirmed"} 3x10 0x80`,
		},
		// A backlog of a large order waits for hours, and moves.
		"BulkregOldestDueJob": {
			fires: `bulkreg_oldest_due_seconds{instance="b",account="default",kind="register",lane="plain"} 0+60x90`, after: 16,
			quiet: `bulkreg_oldest_due_seconds{instance="b",account="default",kind="register",lane="bulk"} 3600+60x90`,
		},
		"BulkregNothingSettles": {
			fires: `bulkreg_oldest_due_seconds{instance="b",account="default",kind="whois",lane="bulk"} 0+60x90
				bulkreg_settled_jobs_total{instance="b",account="default",kind="whois"} 700x90`, after: 11,
			quiet: `bulkreg_oldest_due_seconds{instance="b",account="default",kind="whois",lane="bulk"} 0+60x90
				bulkreg_settled_jobs_total{instance="b",account="default",kind="whois"} 700x90
				bulkreg_settled_jobs_total{instance="c",account="default",kind="whois"} 0+1x90`,
		},
		"BulkregNoWorker": {
			fires: `bulkreg_jobs{instance="b",account="pmg",kind="token",state="queued"} 4x90
				bulkreg_workers{instance="b",account="pmg",kind="token"} 1x3 0x90`, after: 9,
			quiet: `bulkreg_jobs{instance="b",account="pmg",kind="token",state="succeeded"} 4x90
				bulkreg_workers{instance="b",account="pmg",kind="token"} 0x90`,
		},
		// A sample counts for five minutes.
		"BulkregNoFigures": {
			ends:  "bulkreg_figures_timestamp_seconds",
			fires: `bulkreg_figures_timestamp_seconds{instance="b"} 0+60x10`, after: 20,
			quiet: `bulkreg_figures_timestamp_seconds{instance="b"} 0+60x10 _x8 0+60x90`,
		},
		"BulkregUpstreamErrors": {
			fires: `bulkreg_calls_total{instance="b",account="default",op="whois",status="200"} 0+10x90
				bulkreg_calls_total{instance="b",account="default",op="whois",status="none"} 0+2x90`, after: 12,
			quiet: `bulkreg_calls_total{instance="b",account="default",op="whois",status="422"} 0+10x90
				bulkreg_calls_total{instance="b",account="default",op="holder",status="500"} 0+1x90`,
		},
		"BulkregWebhookBacklog": {
			fires: `bulkreg_webhook_overdue_seconds{instance="b"} 0+120x90`, after: 23,
			quiet: `bulkreg_webhook_waiting_deliveries{instance="b"} 1000x90`,
		},
		"BulkregDatabaseNotVacuumed": {
			fires: `bulkreg_postgres_oldest_transaction_seconds{instance="b"} 3000+60x90`, after: 16,
			quiet: `bulkreg_postgres_oldest_transaction_seconds{instance="b"} 1000+60x20 0+60x40 0x40`,
		},
	}
}

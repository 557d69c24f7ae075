package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
)

// placeOrder stands in README.md of this folder as well, and a test compares the two.
func placeOrder(ctx context.Context, redisURL string) (err error) {
	producer, err := queue.NewProducer(redisURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close()) }()
	return producer.Enqueue(ctx, queue.Register, queue.Plain, queue.Chunk{
		Source: "shop", Order: "2026-000123", Account: "default",
		Jobs: []queue.Job{
			{Domain: "example.nl", HolderID: "H-1", PeriodMonths: 12},
			{Domain: "example.be", HolderID: "H-1", Nameservers: []string{"ns1.example.net", "ns2.example.net"}},
		},
	})
}

// An order system that hands its registrations over by itself. What lies in Redis afterwards is what a producer in
// another language writes there.
func ExampleProducer() {
	server, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	if err := placeOrder(context.Background(), "redis://"+server.Addr()+"/0"); err != nil {
		log.Fatal(err)
	}

	inspector := asynq.NewInspector(asynq.RedisClientOpt{Addr: server.Addr()})
	defer inspector.Close()
	tasks, err := inspector.ListPendingTasks(queue.Queue(queue.Register, queue.Plain))
	if err != nil {
		log.Fatal(err)
	}
	for _, task := range tasks {
		fmt.Println(task.Queue, task.Type)
		fmt.Printf("%s\n", task.Payload)
	}
	// Output:
	// register domain:register
	// {"v":1,"order":"2026-000123","source":"shop","account":"default","jobs":[{"domain":"example.nl","holder_id":"H-1","period":12},{"domain":"example.be","holder_id":"H-1","nameservers":["ns1.example.net","ns2.example.net"]}]}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/doorward/doorward/deploy/embedded"
	"github.com/doorward/doorward/shared/bus"
	"github.com/doorward/doorward/shared/config"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// busMessages is how many messages each of the bus's costs is measured with.
const busMessages = 20_000

// busCosts measures what the walls of the bus cost, each against the same work without it.
func busCosts(ctx context.Context) error {
	var republish, across []float64
	for range 3 {
		r, a, err := busRound(ctx)
		if err != nil {
			return err
		}
		republish, across = append(republish, r), append(across, a)
	}
	slices.Sort(republish)
	slices.Sort(across)
	fmt.Printf("\nbus, ratio to the same without (median of 3)\n")
	fmt.Printf("  publish into a stream with transform and republish  %.2f  %.2f\n", republish[1], republish)
	fmt.Printf("  pull and acknowledge across accounts                %.2f  %.2f\n", across[1], across)
	return nil
}

func busRound(ctx context.Context) (republish, across float64, err error) {
	dir, err := os.MkdirTemp("", "doorward-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	layout := bus.Layout{Names: bus.NewNames(""), Replicas: 1, Window: 2 * time.Minute, Targets: []bus.Target{{Name: "a", Start: bus.Start{All: true}, Pending: 4096}}}
	srv, err := embedded.Start(embedded.Settings{Store: dir, Listen: "127.0.0.1:0", MaxBytes: 8 << 30, Durability: config.Process, Layout: layout, Log: zerolog.Nop()})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = srv.Stop() }()
	if err := srv.Setup(ctx); err != nil {
		return 0, 0, err
	}
	public, err := publishing(srv.Dial().Connect, bus.VerifierUser, "dw.in.bench.t")
	if err != nil {
		return 0, 0, err
	}
	outside, err := pulling(ctx, srv.Dial().Connect, bus.DispatcherUser, bus.APICore, "DW_VERIFIED", bus.TargetConsumer("a"))
	if err != nil {
		return 0, 0, err
	}
	plain, inside, err := withoutWalls(ctx)
	return plain / public, inside / outside, err
}

// withoutWalls is the same with a stream that neither transforms nor republishes, on a
// server without accounts: the seconds to publish, and to pull and acknowledge.
func withoutWalls(ctx context.Context) (publish, pull float64, err error) {
	dir, err := os.MkdirTemp("", "doorward-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		return 0, 0, err
	}
	srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		return 0, 0, errors.New("nats is not ready")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		return 0, 0, err
	}
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLAIN", Subjects: []string{"plain"}})
	}
	if err == nil {
		_, err = js.CreateConsumer(ctx, "PLAIN", jetstream.ConsumerConfig{Durable: "inside", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 4096})
	}
	nc.Close()
	if err != nil {
		return 0, 0, err
	}
	connect := func(string) (*nats.Conn, error) { return nats.Connect(srv.ClientURL()) }
	if publish, err = publishing(connect, "", "plain"); err != nil {
		return 0, 0, err
	}
	pull, err = pulling(ctx, connect, "", bus.APILocal, "PLAIN", "inside")
	return publish, pull, err
}

// publishing is how many seconds it takes to publish all messages, many under way.
func publishing(connect func(string) (*nats.Conn, error), identity, subject string) (float64, error) {
	nc, err := connect(identity)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		return 0, err
	}
	return timed(func() { publishAll(js, subject) }), nil
}

// pulling is how many seconds it takes to pull and acknowledge all messages.
func pulling(ctx context.Context, connect func(string) (*nats.Conn, error), identity, api, stream, consumer string) (float64, error) {
	nc, err := connect(identity)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, api)
	if err != nil {
		return 0, err
	}
	c, err := js.Consumer(ctx, stream, consumer)
	if err != nil {
		return 0, err
	}
	n := 0
	took := timed(func() { n = pullAll(c) })
	if n != busMessages {
		return 0, fmt.Errorf("pulled %d of %d messages", n, busMessages)
	}
	return took, nil
}

func publishAll(js jetstream.JetStream, subject string) {
	body := make([]byte, bodySize)
	for i := range busMessages {
		_, _ = js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: body, Header: nats.Header{"Nats-Msg-Id": {strconv.Itoa(i)}}})
	}
	<-js.PublishAsyncComplete()
}

func pullAll(c jetstream.Consumer) int {
	n := 0
	for n < busMessages {
		batch, err := c.Fetch(500, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			return n
		}
		before := n
		for m := range batch.Messages() {
			_ = m.Ack()
			n++
		}
		if n == before {
			break
		}
	}
	return n
}

func timed(f func()) float64 {
	start := time.Now()
	f()
	return time.Since(start).Seconds()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// floor is the smallest honest program: it publishes a body to a stream on disk and
// answers 202 after the acknowledgement. With secondHop it consumes the stream and
// publishes each message again, with a message id, to another stream.
func floor(ctx context.Context, store string, sync, secondHop bool) error {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: store, SyncAlways: sync, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		return errors.New("floor: nats is not ready")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw"}}); err != nil {
		return err
	}
	if secondHop {
		if err := hop(ctx, js); err != nil {
			return err
		}
	}
	return serve(ctx, js, srv.ClientURL())
}

func serve(ctx context.Context, js jetstream.JetStream, natsURL string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			m := &nats.Msg{Subject: "raw", Data: body, Header: nats.Header{"Id": {r.Header.Get("Webhook-Id")}}}
			_, err = js.PublishMsg(r.Context(), m)
		}
		if err != nil {
			http.Error(w, "not stored", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	fmt.Printf("http=%s nats=%s\n", listener.Addr(), natsURL)
	s := &http.Server{Handler: handler}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func hop(ctx context.Context, js jetstream.JetStream) error {
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "OUT", Subjects: []string{"out"}}); err != nil {
		return err
	}
	c, err := js.CreateConsumer(ctx, "RAW", jetstream.ConsumerConfig{Durable: "hop", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 4096})
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			batch, err := c.Fetch(256, jetstream.FetchMaxWait(time.Second))
			if err != nil {
				return
			}
			pass(js, batch)
		}
	}()
	return nil
}

// pass publishes a batch as it comes and acknowledges each message once its copy is stored.
func pass(js jetstream.JetStream, batch jetstream.MessageBatch) {
	type flight struct {
		m   jetstream.Msg
		ack jetstream.PubAckFuture
	}
	flights := make(chan flight, 256)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f := range flights {
			select {
			case <-f.ack.Ok():
				_ = f.m.Ack()
			case <-f.ack.Err():
			}
		}
	}()
	for m := range batch.Messages() {
		out := &nats.Msg{Subject: "out", Data: m.Data(), Header: nats.Header{"Nats-Msg-Id": m.Headers()["Id"]}}
		if ack, err := js.PublishMsgAsync(out); err == nil {
			flights <- flight{m, ack}
		}
	}
	close(flights)
	<-done
}

// Command bench measures Doorward against floors: the smallest programs that do the same
// without any of its promises. Everything runs on this machine, one after the other, in
// rounds, so that ratios hold where absolute numbers don't.
//
//	floor accept   net/http + nats.go: publish the body to a file stream, answer 202
//	floor two-hop  the same, and a consumer that publishes each message again with a message id
//	accepting      Doorward's outer door alone, on the bus as it ships: POST to 202
//	end to end     the whole program, POST to the verified event at a subscriber
//
// Requests are 1 KiB, signed by Standard Webhooks, each with an id of its own. Saturation
// is a closed loop; half load is an open one at half of what Doorward took end to end in the same
// round, with latency counted from when a request was due.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

func run() int {
	var o options
	role := flag.String("role", "", "internal: run one of the measured programs")
	flag.StringVar(&o.doorward, "doorward", "bin/doorward", "the binary to measure")
	flag.DurationVar(&o.length, "length", 4*time.Second, "length of one measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; medians are printed")
	flag.IntVar(&o.conns, "conns", 64, "connections at saturation")
	flag.StringVar(&o.durability, "durability", "both", "power-loss, process or both")
	flag.BoolVar(&o.bus, "bus", true, "measure what the bus's walls cost, too")
	store, sync := flag.String("store", "", "internal"), flag.Bool("sync", false, "internal")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch *role {
	case "":
		err = measure(ctx, o)
	case "floor-accept":
		err = floor(ctx, *store, *sync, false)
	case "accept":
		err = accept(ctx, *store, *sync)
	case "floor-two-hop":
		err = floor(ctx, *store, *sync, true)
	default:
		err = fmt.Errorf("no such role %q", *role)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// options of a whole measurement.
type options struct {
	doorward string
	length   time.Duration
	rounds   int
	conns    int
	// durability is one of the configuration's, or "both".
	durability string
	bus        bool
}

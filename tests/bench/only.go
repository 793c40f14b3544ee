package main

import (
	"context"
	"fmt"
	"time"
)

// onlyLoad posts to an address at a rate, for profiling.
func onlyLoad(ctx context.Context, addr string, rate float64, d time.Duration) error {
	l := load{addr: addr, conns: 64, rate: rate, length: d, next: prepare(int(d.Seconds()*20000), fmt.Sprint(time.Now().Unix()))}
	t, took, err := l.run(ctx)
	fmt.Printf("%.0f/s p50 %dus p99 %dus\n", float64(t.n.Load())/took.Seconds(), t.hist.ValueAtQuantile(50), t.hist.ValueAtQuantile(99))
	return err
}

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// measure runs everything and prints the report.
func measure(ctx context.Context, o options) error {
	fmt.Printf("%s/%s, %d processors, %s; %d-byte signed bodies, %d connections, %d rounds of %s, medians\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), bodySize, o.conns, o.rounds, o.length)
	p50, p99, err := fsyncTime()
	if err != nil {
		return err
	}
	fmt.Printf("fsync of a 1.2 kB append: p50 %s, p99 %s\n", p50, p99)
	for _, sync := range []bool{true, false} {
		if o.durability != "both" && o.durability != string(durabilityName(sync)) {
			continue
		}
		if err := durability(ctx, o, sync); err != nil {
			return err
		}
	}
	if o.bus {
		return busCosts(ctx)
	}
	return nil
}

// durability measures every program in turn, round by round, at one durability.
func durability(ctx context.Context, o options, sync bool) error {
	name := map[bool]string{true: "power-loss (fsynced before the answer)", false: "process"}[sync]
	fmt.Printf("\ndurability: %s\n", name)
	saturated, half := map[string][]result{}, map[string][]result{}
	for round := range o.rounds {
		if err := turn(ctx, o, sync, round, 0, saturated); err != nil {
			return err
		}
		if err := turn(ctx, o, sync, round, last(saturated["end to end"]).rate/2, half); err != nil {
			return err
		}
	}
	table("saturation", saturated)
	table("half load", half)
	return nil
}

func last(r []result) result { return r[len(r)-1] }

func turn(ctx context.Context, o options, sync bool, round int, rate float64, into map[string][]result) error {
	for _, s := range subjects {
		r, err := one(ctx, s, o, sync, rate, fmt.Sprintf("%t_%d_%d", sync, round, int(rate)))
		if err != nil {
			return err
		}
		into[s.name] = append(into[s.name], r)
		fmt.Fprintf(os.Stderr, "round %d %-14s %8.0f/s p50 %-8s p99 %-8s\n", round+1, s.name, r.rate, r.p50, r.p99)
	}
	return nil
}

func table(title string, results map[string][]result) {
	fmt.Printf("\n  %-14s %10s %10s %10s %12s   ratio of rates (each round)\n", title, "per second", "p50", "p99", "CPU per event")
	for i, s := range subjects {
		rs := results[s.name]
		rate := median(rs, func(r result) float64 { return r.rate })
		p50 := median(rs, func(r result) float64 { return float64(r.p50) })
		p99 := median(rs, func(r result) float64 { return float64(r.p99) })
		cpu := median(rs, func(r result) float64 { return float64(r.cpu) })
		fmt.Printf("  %-14s %10.0f %10s %10s %12s", s.name, rate, time.Duration(p50), time.Duration(p99), time.Duration(cpu).Round(100*time.Nanosecond))
		if i%2 == 1 {
			fmt.Printf("   %s", ratios(rs, results[subjects[i-1].name]))
		}
		fmt.Println()
	}
}

// ratios compares round by round, so that a drift of the machine cancels out.
func ratios(a, b []result) string {
	var values []float64
	text := ""
	for i := range a {
		values = append(values, a[i].rate/b[i].rate)
		text += fmt.Sprintf(" %.2f", a[i].rate/b[i].rate)
	}
	slices.Sort(values)
	return fmt.Sprintf("%.2f of its floor (%s )", values[len(values)/2], text)
}

func median(rs []result, of func(result) float64) float64 {
	var values []float64
	for _, r := range rs {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// fsyncTime is how long this disk takes for what durability power-loss does per message.
func fsyncTime() (p50, p99 time.Duration, err error) {
	file, err := os.CreateTemp("", "doorward-fsync-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.Remove(file.Name()); _ = file.Close() }()
	var times []time.Duration
	block := make([]byte, 1200)
	for range 500 {
		if _, err := file.Write(block); err != nil {
			return 0, 0, err
		}
		start := time.Now()
		if err := file.Sync(); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100], nil
}

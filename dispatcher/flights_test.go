package dispatcher

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/shared/bus"
	"github.com/nats-io/nats.go/jetstream"
)

// held is a message that counts how often the bus was told to wait.
type held struct {
	jetstream.Msg
	beats []time.Time
}

func (h *held) InProgress() error {
	h.beats = append(h.beats, time.Now())
	return nil
}

// However long a target takes and whenever the message came, the bus hears of it before
// the ack wait is over, and never again once it is settled.
func TestMessagesInHandStayInHand(t *testing.T) {
	for offset := time.Duration(0); offset < 2*beat; offset += beat / 5 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			f := newFlights()
			go f.keep(ctx)
			time.Sleep(offset)
			slow, quick := &held{}, &held{}
			last := time.Now()
			f.add(slow)
			f.add(quick)
			f.remove(quick)
			time.Sleep(10 * bus.TargetAckWait)
			synctest.Wait()
			f.remove(slow)
			told := len(slow.beats)
			for _, at := range append(slow.beats, time.Now()) {
				if gap := at.Sub(last); gap > bus.TargetAckWait/2 {
					t.Errorf("begun %s after a beat: %s of silence", offset, gap)
				}
				last = at
			}
			time.Sleep(bus.TargetAckWait)
			synctest.Wait()
			if len(quick.beats) != 0 || len(slow.beats) != told {
				t.Errorf("beats after the end: %d, %d", len(quick.beats), len(slow.beats)-told)
			}
			cancel()
			synctest.Wait()
		})
	}
}

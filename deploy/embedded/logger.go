package embedded

import (
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// logger passes the server's warnings and errors on; its notices are debug messages.
// The server's own Fatalf would end the process: here it is kept for Start to report.
type logger struct {
	log   zerolog.Logger
	fatal atomic.Pointer[string]
	ready atomic.Bool
}

func (l *logger) say(e *zerolog.Event, format string, v []any) {
	e.Str("said", fmt.Sprintf(format, v...)).Msg("nats server reported")
}

func (l *logger) Noticef(format string, v ...any) { l.say(l.log.Debug(), format, v) }
func (l *logger) Warnf(format string, v ...any)   { l.say(l.log.Warn(), format, v) }
func (l *logger) Errorf(format string, v ...any)  { l.say(l.log.Error(), format, v) }
func (l *logger) Debugf(string, ...any)           {}
func (l *logger) Tracef(string, ...any)           {}

func (l *logger) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.Store(&text)
	if l.ready.Load() { // before that, Start returns it
		l.say(l.log.Error(), format, v)
	}
}

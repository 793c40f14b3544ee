package record

import "strings"

// secretNames are headers whose values are credentials or signatures wherever they appear.
var secretNames = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "X-Api-Key": true, "X-Gitlab-Token": true,
	"X-A2a-Notification-Token": true, "A2a-Notification-Token": true, "X-Telegram-Bot-Api-Secret-Token": true,
}

// Redacted is what stands for a credential.
const Redacted = "[redacted]"

// Redact is a copy without credentials, signatures, query values and body: what operators
// may see of a request that was refused. extra names more headers (canonical) to hide.
func (r *Request) Redact(extra ...string) Request {
	out := Request{Method: r.Method, Host: r.Host, Header: make([]Field, len(r.Header))}
	out.Target, _, _ = strings.Cut(r.Target, "?")
	if out.Target != r.Target {
		out.Target += "?" + Redacted
	}
	for i, f := range r.Header {
		if secret(f.Name, extra) {
			f.Value = Redacted
		}
		out.Header[i] = f
	}
	return out
}

func secret(name string, extra []string) bool {
	if secretNames[name] {
		return true
	}
	for _, e := range extra {
		if e == name {
			return true
		}
	}
	lower := strings.ToLower(name)
	return strings.Contains(lower, "signature") || strings.Contains(lower, "token") || strings.Contains(lower, "secret")
}

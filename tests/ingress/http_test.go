package ingress_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/tests/harness"
)

// request is a good one, with more header lines and without a length.
func request(head, body string) string {
	return "POST /in/a HTTP/1.1\r\nHost: h\r\n" + head + "\r\n" + body
}

func sized(head, body string) string {
	return request(head+fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
}

const chunked = "Transfer-Encoding: chunked\r\n"

func chunk(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }

const smuggled = "POST /in/b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"

// TestHTTPAttacks sends what the attack catalogue lists, by its ids. Want is the status of
// every answer on the connection; exactly the 202s may be stored.
func TestHTTPAttacks(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	ok := sized("", "hello")
	for _, c := range []struct {
		id   string
		raw  string
		want []int
	}{
		{"H00 the good twin, twice on one connection", ok + ok, []int{202, 202}},
		{"H01 length and chunked, a request smuggled behind", request("Content-Length: 6\r\n"+chunked, "0\r\n\r\n"+smuggled), []int{202}},
		{"H01 chunked, a request behind", request(chunked, chunk("hi")+"0\r\n\r\n"+smuggled), []int{202}},
		{"H02 two lengths", request("Content-Length: 1\r\nContent-Length: 2\r\n", "xx"), []int{400}},
		{"H02 list of lengths", request("Content-Length: 2, 2\r\n", "xx"), []int{400}},
		{"H02 signed length", request("Content-Length: +2\r\n", "xx"), []int{400}},
		{"H02 negative length", request("Content-Length: -1\r\n", "xx"), []int{400}},
		{"H02 huge length", request("Content-Length: 99999999999999999999\r\n", "xx"), []int{400}},
		{"H03 one length twice", request("Content-Length: 2\r\nContent-Length: 2\r\n", "xx"), []int{202}},
		{"H04 identity", request("Transfer-Encoding: identity\r\n", "xx"), []int{501}},
		{"H04 unknown coding", request("Transfer-Encoding: xchunked\r\n", "xx"), []int{501}},
		{"H04 chunked twice", request("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), []int{501}},
		{"H04 gzip below", request("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), []int{501}},
		{"H04 two lines", request(chunked+chunked, "0\r\n\r\n"), []int{501}},
		{"H05 space before colon", request("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), []int{400}},
		{"H05 vertical tab", request("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), []int{400}},
		{"H06 folded coding", request("Transfer-Encoding:\r\n chunked\r\n", chunk("hi")+"0\r\n\r\n"+smuggled), []int{202}},
		{"H07 1.0 with a coding", "POST /in/a HTTP/1.0\r\nHost: h\r\n" + chunked + "\r\n" + chunk("hi") + "0\r\n\r\n", []int{400}},
		{"H07 1.0 with both, kept alive", "POST /in/a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + chunked + "Content-Length: 2\r\n\r\nhi" + smuggled, []int{202}},
		{"H08 no length", request("", ""), []int{411}},
		{"H08 length zero", request("Content-Length: 0\r\n", ""), []int{202}},
		{"H09 bare LF in a chunk", request(chunked, "2\nhi\r\n0\r\n\r\n"), []int{400}},
		{"H09 hex prefix", request(chunked, "0x2\r\nhi\r\n0\r\n\r\n"), []int{400}},
		{"H09 overflow", request(chunked, "10000000000000000\r\nhi\r\n0\r\n\r\n"), []int{400}},
		{"H09 missing CRLF", request(chunked, "2\r\nhi0\r\n\r\n"), []int{400}},
		{"H09 huge extension", request(chunked, "2;"+strings.Repeat("e", 20<<10)+"\r\nhi\r\n0\r\n\r\n"), []int{400}},
		{"H10 small chunks over the limit", request(chunked, strings.Repeat(chunk("x"), limit+1)+"0\r\n\r\n"), []int{413}},
		{"H12 promised 2 GB", request("Content-Length: 2000000000\r\n", ""), []int{413}},
		{"H13 at the limit", sized("", strings.Repeat("x", limit)), []int{202}},
		{"H13 over the limit", sized("", strings.Repeat("x", limit+1)), []int{413}},
		{"H13 chunked at the limit", request(chunked, chunk(strings.Repeat("x", limit))+"0\r\n\r\n"), []int{202}},
		{"H13 chunked over the limit", request(chunked, chunk(strings.Repeat("x", limit+1))+"0\r\n\r\n"), []int{413}},
		{"H14 short body", request("Content-Length: 10\r\n", "xx"), []int{400}},
		{"H18 large header", sized("X: "+strings.Repeat("x", 30<<10)+"\r\n", "x"), []int{431}},
		{"H18 a header just too large", sized("X: "+strings.Repeat("x", 16<<10)+"\r\n", "x"), []int{431}},
		{"H18 a header that fits", sized("X: "+strings.Repeat("x", 15<<10)+"\r\n", "x"), []int{202}},
		{"H19 101 lines", sized(strings.Repeat("X: 1\r\n", 100), "x"), []int{431}},
		{"H19 100 lines", sized(strings.Repeat("X: 1\r\n", 99), "x"), []int{202}},
		{"H20 NUL", sized("X: a\x00b\r\n", "x"), []int{400}},
		{"H20 escape", sized("X: a\x1bb\r\n", "x"), []int{400}},
		{"H20 DEL", sized("X: a\x7fb\r\n", "x"), []int{400}},
		{"H20 bare CR", sized("X: a\rb\r\n", "x"), []int{400}},
		{"H20 name not in ASCII", sized("X\xe9: a\r\n", "x"), []int{400}},
		{"H20 name with a space", sized("X Y: a\r\n", "x"), []int{400}},
		{"H26 trailer", request(chunked+"Trailer: X-Sig\r\n", chunk("hi")+"0\r\nX-Sig: 1\r\n\r\n"), []int{202}},
		{"H27 length as a trailer", request(chunked+"Trailer: Content-Length\r\n", chunk("hi")+"0\r\nContent-Length: 1\r\n\r\n"), []int{400}},
		{"H29 no host", "POST /in/a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", []int{400}},
		{"H29 two hosts", sized("Host: i\r\n", "x"), []int{400}},
		{"H31 lower case", "post /in/a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", []int{405}},
		{"H31 GET", "GET /in/a HTTP/1.1\r\nHost: h\r\n\r\n", []int{405}},
		{"H31 TRACE", "TRACE /in/a HTTP/1.1\r\nHost: h\r\n\r\n", []int{405}},
		{"H31 override", "GET /in/a HTTP/1.1\r\nHost: h\r\nX-HTTP-Method-Override: POST\r\n\r\n", []int{405}},
		{"H31 CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", []int{404}},
		{"H32 OPTIONS", "OPTIONS /in/a HTTP/1.1\r\nHost: h\r\n\r\n", []int{405}},
		{"H32 OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", []int{404}},
		{"H35 refused without a 100", request("Expect: 100-continue\r\nContent-Length: 9999999\r\n", ""), []int{413}},
		{"H35 another expectation", sized("Expect: 200-ok\r\n", "x"), []int{417}},
		{"H37 compressed", sized("Content-Encoding: gzip\r\n", "\x1f\x8b\x08"), []int{202}},
		{"H38 form", sized("Content-Type: application/x-www-form-urlencoded\r\n", "payload=%zz"), []int{202}},
		{"H40 preface of h2c", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}},
		{"H40 upgrade to h2c", sized("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "x"), []int{202}},
		{"H41 pipelined", strings.Repeat(ok, 50), slices.Repeat([]int{202}, 50)},
		{"H42 0.9", "POST /in/a\r\n\r\n", []int{400}},
		{"H42 2.0", "POST /in/a HTTP/2.0\r\nHost: h\r\nContent-Length: 0\r\n\r\n", []int{505}},
		{"H44 large query", "POST /in/a?" + strings.Repeat("a=b&", 600) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", []int{414}},
	} {
		t.Run(c.id, func(t *testing.T) {
			before := f.stored(t)
			var got []int
			want := before
			for _, a := range f.exchange(t, c.raw) {
				got = append(got, a.status)
				if a.status == 202 {
					want++
				}
				if a.status == 405 && a.header.Get("Allow") != "POST" {
					t.Errorf("Allow is %q", a.header.Get("Allow"))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("answers %v, want %v", got, c.want)
			}
			if after := f.stored(t); after != want {
				t.Errorf("%d were stored, want %d", after-before, want-before)
			}
		})
	}
}

func TestPathsAreMatchedExactly(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	post := func(target string) answer {
		return f.exchange(t, "POST "+target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")[0]
	}
	for _, good := range []string{"/in/a", "/in/a?b=c", "http://h/in/a"} {
		if got := post(good); got.status != 202 {
			t.Errorf("%s: %d, want 202", good, got.status)
		}
	}
	for _, bad := range []string{
		"/", "/in", "/in/", "/in/a/", "//in/a", "/in//a", "/in/../in/a", "/in/./a", "/in/b/../a", "/in/%61", "/in/%2e%2e", "/in/a%2fb", "/in/a%00",
		"/in/a%0d%0a", "/in/%2a", "/in/*", "/in/>", "/in/a.b.%3e", "/in/a;x", "/in/a#x", "/in/a\xff", "/in/A", "/in/-a", "/in/_a", "/IN/a", "/w/ticket",
		"/in/" + strings.Repeat("a", 64), "/in/unknown", "/in/off", "/metrics", "/healthz",
	} {
		got := post(bad)
		if got.status != 404 && got.status != 400 {
			t.Errorf("%s: %d, want 404", bad, got.status)
		}
		if got.header.Get("Location") != "" {
			t.Errorf("%s: redirected to %s", bad, got.header.Get("Location"))
		}
	}
}

// TestUnknownAndDisabledLookAlike (C06): everything but the request id is the same.
func TestUnknownAndDisabledLookAlike(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, ""))
	shown := func(source string) string {
		a := f.post(t, source, "x")
		a.header.Del("Date")
		return strings.ReplaceAll(fmt.Sprint(a.status, a.header, a.body), a.id(t), "ID")
	}
	if off, unknown := shown("off"), shown("nobody"); off != unknown {
		t.Errorf("disabled %s\nunknown  %s", off, unknown)
	}
}

// TestHost (H30): with a public URL only its host is served, and this machine by address.
func TestHost(t *testing.T) {
	f := open(t, harness.Options{}, configured(t, `, public_url: "https://hooks.example.com"`))
	for host, want := range map[string]int{
		"hooks.example.com": 202, "HOOKS.example.com:443": 202, "127.0.0.1:8080": 202, "[::1]": 202,
		"hooks.example.com:80": 421, "evil.example": 421, "localhost": 421, "10.0.0.1": 421,
	} {
		got := f.exchange(t, "POST /in/a HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 1\r\n\r\nx")
		if got[0].status != want {
			t.Errorf("host %s: %d, want %d", host, got[0].status, want)
		}
	}
	got := f.exchange(t, "POST http://evil.example/in/a HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Length: 1\r\n\r\nx")
	if got[0].status != 421 {
		t.Errorf("absolute form of another host: %d, want 421", got[0].status)
	}
}

package ingress

import (
	"net/netip"
	"strings"
)

// forwardedFor is the only header that tells an address here. Forwarded, X-Real-IP and the
// like are not read, not even in its absence.
const forwardedFor = "X-Forwarded-For"

// unknownPeer is stored when a trusted proxy forwards something that is no address.
const unknownPeer = "unknown"

// direct is the address at the other end of the connection.
func direct(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// judge tells where a request came from: the rightmost address that is not a trusted
// proxy's, walking back over all lines of X-Forwarded-For. If all are trusted it is the
// leftmost. What is no address ends the walk with the zero Addr, which no list contains.
func (p *plan) judge(peer netip.Addr, forwarded []string) netip.Addr {
	for i := len(forwarded) - 1; i >= 0; i-- {
		rest, more := forwarded[i], true
		for more {
			if !trusted(p.proxies, peer) {
				return peer
			}
			var hop string
			rest, hop, more = cutLast(rest)
			if peer = parseHop(hop); !peer.IsValid() {
				return peer
			}
		}
	}
	return peer
}

// cutLast takes the last element off a comma-separated list.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseHop reads 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and [2001:db8::1]:80,
// without zones. The zero Addr stands for anything else.
func parseHop(hop string) netip.Addr {
	hop = strings.Trim(hop, " \t")
	addr, err := netip.ParseAddr(hop)
	if inner, ok := strings.CutPrefix(hop, "["); ok && strings.HasSuffix(inner, "]") {
		if addr, err = netip.ParseAddr(inner[:len(inner)-1]); addr.Is4() {
			return netip.Addr{}
		}
	} else if err != nil {
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(hop)
		addr = ap.Addr()
	}
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}
	}
	return addr.Unmap()
}

func trusted(proxies []netip.Prefix, addr netip.Addr) bool {
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// within says whether a source's list, if it has one, contains addr.
func within(allow []netip.Prefix, addr netip.Addr) bool {
	return len(allow) == 0 || trusted(allow, addr)
}

func peerText(addr netip.Addr) string {
	if !addr.IsValid() {
		return unknownPeer
	}
	return addr.String()
}

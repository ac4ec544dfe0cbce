package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// cookie is the name of what a browser keeps after /?token=.
const cookie = "diffuse"

// guard lets through who may ask, see docs/api.md.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, http.StatusMethodNotAllowed, "the dashboard only reads: "+r.Method+" is not allowed", "")
		case !s.hostAllowed(r.Host):
			writeError(w, http.StatusForbidden, "this server does not go by the name "+r.Host, "ask for the address that diffuse serve printed")
		case fromElsewhere(r):
			writeError(w, http.StatusForbidden, "pages of other sites may not ask", "")
		case s.Token != "" && s.takesToken(r):
			s.leaveCookie(w, r)
		case s.Token != "" && !s.knowsToken(r):
			writeError(w, http.StatusUnauthorized, "the token is missing or wrong", "open the address with ?token= that diffuse serve printed, or send Authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// setHeaders tells browsers to load nothing from elsewhere, and to let no other
// site look at or frame what they load.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// hostAllowed tells whether a request names this server. A page of another site
// can make its own name point to this machine; it does not know the token.
func (s *Server) hostAllowed(host string) bool {
	if s.Token != "" {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return IsLoopback(host) || slices.Contains(s.Hosts, host)
}

// IsLoopback tells whether a host, without port, is this machine and nothing else.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

// fromElsewhere tells whether a page of another site sent the request. Following a
// link to the page is fine.
func fromElsewhere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// takesToken tells whether the request is the page's first, with a right token.
func (s *Server) takesToken(r *http.Request) bool {
	return r.URL.Path == "/" && r.URL.Query().Has("token") && s.isToken(r.URL.Query().Get("token"))
}

// leaveCookie lets the browser remember the token, out of its address line.
func (s *Server) leaveCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: s.cookieValue(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		MaxAge: 30 * 24 * 3600,
	})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// cookieValue is not the token itself: who reads the browser's files learns less.
func (s *Server) cookieValue() string {
	sum := sha256.Sum256(append([]byte("diffuse cookie "), s.token[:]...))
	return hex.EncodeToString(sum[:])
}

// knowsToken tells whether the request carries the token or its cookie.
func (s *Server) knowsToken(r *http.Request) bool {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.isToken(given)
	}
	c, err := r.Cookie(cookie)
	return err == nil && subtle.ConstantTimeCompare([]byte(c.Value), []byte(s.cookieValue())) == 1
}

// isToken compares in a time that tells nothing of the token.
func (s *Server) isToken(given string) bool {
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
	"diffuse/internal/index"
	"diffuse/internal/web"
)

// ServeOptions are the options of diffuse serve.
type ServeOptions struct {
	IO     *IO
	Global *Global
	Addr   string
	Token  string
}

// NewServe is `diffuse serve`.
func NewServe(stdio *IO, g *Global) *cobra.Command {
	o := &ServeOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Show the runs in a browser, live",
		Long: help(`Serve the dashboard: a page with the table of runs, their curves, samples, scores
and configs, which moves while runs train, and the JSON that it is made of
(docs/api.md). It loads nothing from the network and changes nothing.

Only this machine can open it. To let others, name an address that they reach
and a --token that they must know: the address with the token in it, which is
printed, opens the page. Traffic is not encrypted.

Ctrl-C ends it.`),
		Example: `  diffuse serve
  diffuse serve --addr 127.0.0.1:8081
  diffuse serve --addr 0.0.0.0:8080 --token "$(openssl rand -hex 16)"`,
		Args: noArguments("--addr"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return serveRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&o.Token, "token", "", "what who asks must know; at least 8 characters")
	return cmd
}

// minToken is the length of the shortest token: others can guess at it.
const minToken = 8

// check refuses an address that others reach, unless they must know a token.
func (o *ServeOptions) check() error {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return fault.New(fault.Usage, "diffuse serve --addr 127.0.0.1:8080", "--addr: must be host:port, got %q", o.Addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fault.New(fault.Usage, "", "--addr: the port must be from 0 to 65535, got %q", port)
	}
	if o.Token != "" && len(o.Token) < minToken {
		return fault.New(fault.Usage, "", "--token: must have at least %d characters", minToken)
	}
	if o.Token == "" && !web.IsLoopback(host) {
		return fault.New(fault.Usage, `diffuse serve --addr `+shellWord(o.Addr)+` --token "$(openssl rand -hex 16)"`,
			"--addr: others reach %s, so it needs --token", o.Addr)
	}
	return nil
}

func serveRun(ctx context.Context, o *ServeOptions) error {
	x, err := index.Open(ctx, o.Global.Runs)
	if err != nil {
		return err
	}
	defer x.Close()
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return o.cannotListen(err)
	}
	host, _, _ := net.SplitHostPort(o.Addr) // checked
	info := versionInfo()
	server, err := web.New(web.Config{
		Index: x, Version: info.Version, Commit: info.Commit, Token: o.Token, Hosts: []string{host}, Log: o.Global.Log,
	})
	if err != nil {
		_ = listener.Close() // nobody was answered
		return err
	}
	if err := o.announce(listener.Addr()); err != nil {
		_ = listener.Close() // nobody was answered
		return err
	}
	return server.Serve(ctx, listener)
}

// announce prints where to look.
func (o *ServeOptions) announce(addr net.Addr) error {
	at := url.URL{Scheme: "http", Host: addr.String(), Path: "/"}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		at.Host = net.JoinHostPort(name, strconv.Itoa(tcp.Port))
	}
	if o.Token != "" {
		at.RawQuery = url.Values{"token": {o.Token}}.Encode()
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(struct {
			URL string `json:"url"`
		}{at.String()})
	}
	_, err := fmt.Fprintf(o.IO.Out, "runs in %s: %s\n", o.Global.Runs, at.String())
	return err
}

// cannotListen says why, and what to type instead.
func (o *ServeOptions) cannotListen(err error) error {
	host, port, _ := net.SplitHostPort(o.Addr) // checked
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		n, _ := strconv.Atoi(port) // checked
		hint = "perhaps it is served already; else: diffuse serve --addr " + shellWord(net.JoinHostPort(host, strconv.Itoa(min(n+1, 65535)))) + o.Global.runsFlag()
		err = fmt.Errorf("another program listens on %s", o.Addr)
	case errors.Is(err, os.ErrPermission):
		hint = "name a port above 1023: diffuse serve --addr " + shellWord(net.JoinHostPort(host, "8080"))
	}
	return fault.New(fault.Failure, hint, "serve: %w", err)
}

package notify

import (
	"encoding/json"
	"mime"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"diffuse/internal/run"
)

// formOf is the form that a host takes.
func formOf(host string) string {
	under := func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	switch host = strings.ToLower(host); {
	case under("slack.com"), under("slack-gov.com"):
		return "slack"
	case under("discord.com"), under("discordapp.com"):
		return "discord"
	case under("ntfy.sh"), strings.HasPrefix(host, "ntfy."):
		return "ntfy"
	}
	return "json"
}

// payload is what a form has of a message: the body of a request and its header.
func payload(form string, m Message) (body []byte, header http.Header) {
	header = http.Header{"Content-Type": {"application/json"}}
	text := shorten(m.Message)
	switch form {
	case "slack":
		body = asJSON(map[string]string{"text": slackText.Replace(text)})
	case "discord":
		body = asJSON(map[string]any{"content": text, "allowed_mentions": map[string]any{"parse": []string{}}})
	case "ntfy":
		body = []byte(text)
		header = http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Title": {mime.QEncoding.Encode("utf-8", "diffuse: "+m.Run)}}
	default:
		dir, err := filepath.Abs(m.Dir)
		if err != nil {
			dir = m.Dir
		}
		body = asJSON(jsonForm{m.Run, m.Rule, m.Value, m.Step, m.Epoch, m.Message, m.Status, dir, m.Time.UTC().Format(time.RFC3339)})
	}
	return body, header
}

// jsonForm is what a program gets.
type jsonForm struct {
	Run     string     `json:"run"`
	Rule    string     `json:"rule"`
	Value   *float64   `json:"value"` // null for a word
	Step    int        `json:"step"`
	Epoch   int        `json:"epoch"`
	Message string     `json:"message"`
	Status  run.Status `json:"status"`
	Dir     string     `json:"dir"`
	Time    string     `json:"time"` // RFC 3339, UTC
}

// slackText escapes what Slack reads as its markup.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// mostRunes is how much of a message goes to a chat: Discord refuses 2,001.
const mostRunes = 1500

func shorten(text string) string {
	if runes := []rune(text); len(runes) > mostRunes {
		return string(runes[:mostRunes]) + "…"
	}
	return text
}

func asJSON(v any) []byte {
	b, _ := json.Marshal(v) // strings and finite numbers
	return b
}

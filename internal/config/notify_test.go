package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"diffuse/internal/fault"
)

func TestNotifyKeys(t *testing.T) {
	r, err := load(t, `notify:
  when: ["loss<0.025", fid < 4, nan]
  webhook: https://ntfy.sh/${TOPIC}
  command: |
    echo "$DIFFUSE_MESSAGE"
    date
`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := Notify{
		When: []string{"loss<0.025", "fid < 4", "nan"}, Webhook: "https://ntfy.sh/${TOPIC}", Form: "auto",
		Command: "echo \"$DIFFUSE_MESSAGE\"\ndate\n",
	}
	if d := cmp.Diff(want, r.Notify); d != "" {
		t.Error(d)
	}
	for _, set := range []string{"notify.when=fid < 4, nan", `notify.when=["fid < 4", nan]`} { // typed, or as config show prints it
		r, err := Load(LoadOptions{Set: []string{set}})
		if err != nil || cmp.Diff([]string{"fid < 4", "nan"}, r.Notify.When) != "" {
			t.Errorf("%s: %q, %v", set, r.Notify.When, err)
		}
	}
}

func TestNotifyIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"notify: {when: [nan, los < 1]}":          `notify.when has a wrong rule, "los < 1": "los" is no metric, did you mean loss?`,
		"notify: {when: [1]}":                     "notify.when must be a list whose item 1 is a string, got the number 1",
		"notify: {webhook: hooks.x/SECRET}":       "notify.webhook must be the address of a host that takes http:// or https://",
		"notify: {webhook: 'ftp://x/SECRET'}":     "notify.webhook must be the address",
		"notify: {webhook: 'https:///SECRET'}":    "notify.webhook must be the address",
		"notify: {webhook: 'https://%zz/SECRET'}": "notify.webhook must be the address",
		`notify: {webhook: "https://x/\tSECRET"}`: "notify.webhook must be the address",
		"notify: {form: slak}":                    "notify.form must be one of auto, slack, discord, ntfy, json, got \"slak\", did you mean slack?",
		`notify: {command: "a\x07"}`:              "notify.command must be text without control characters",
	} {
		_, err := load(t, text+"\n", LoadOptions{})
		if fault.Code(err) != int(fault.Usage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

// What a variable says of the webhook stands nowhere but in the variable.
func TestAWebhookOfTheEnvironmentIsNotShown(t *testing.T) {
	const secret = "https://hooks.slack.com/services/T/B/secret"
	r, err := load(t, "notify: {webhook: 'https://file/'}\n", LoadOptions{Env: []string{"DIFFUSE_NOTIFY_WEBHOOK=" + secret}})
	if err != nil {
		t.Fatal(err)
	}
	if all := string(r.YAML()) + string(r.Annotated()) + r.Notify.Webhook; strings.Contains(all, "secret") || !strings.Contains(all, `webhook: "${DIFFUSE_NOTIFY_WEBHOOK}"`) {
		t.Error(all)
	}
	got, err := Expand(r.Notify.Webhook, func(name string) string { return map[string]string{"DIFFUSE_NOTIFY_WEBHOOK": secret}[name] })
	if err != nil || got != secret {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Expand("https://x/${A}", func(string) string { return "" }); err == nil || err.Error() != "the variable A is not set" {
		t.Error(err)
	}
	if got, err := Expand("https://x/$A${", func(string) string { return "y" }); err != nil || got != "https://x/$A${" {
		t.Error(got, err)
	}
}

// The variables of an alert's command do not break the program it calls; one of
// them alone is a slip.
func TestAlertEnvIsKnown(t *testing.T) {
	var env []string
	for _, name := range AlertEnv {
		env = append(env, name+"=x")
	}
	if err := CheckEnv(env); err != nil {
		t.Error(err)
	}
	if err := CheckEnv(env[1:]); err == nil {
		t.Error("DIFFUSE_RUN is taken for a variable")
	}
}

func TestAnyCommandIsReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		command := rapid.String().Filter(isText).Draw(rt, "command")
		r := &Resolved{Config: Default()}
		r.Notify.Command = command
		again, err := load(t, string(r.YAML()), LoadOptions{})
		if err != nil || again.Notify.Command != command {
			rt.Fatalf("%q is read back as %v, %v from\n%s", command, again, err, r.YAML())
		}
	})
}

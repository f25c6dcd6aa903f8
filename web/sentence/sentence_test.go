package sentence

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"The name, the password or the code is wrong.":                        `{"code":"sign-in.wrong"}`,
		"there is a camera named \"Gate. No 2\" already; choose another name": `{"code":"camera.name-taken","params":{"name":"Gate. No 2"}}`,
		"There is a vault named \"camera\" already; choose another name.":     `{"code":"name.taken","params":{"name":"camera","what":"vault"}}`,
		"The camera at 10.0.0.7:554 cannot be reached: nothing listens on this port. Check that it has power, is on this network, and that address and port are right.": `{"code":"camera.unreachable","params":{"host":"10.0.0.7:554","why":{"code":"why.port"}}}`,
		"The collector x:1 cannot be reached: no route. The records wait here until it is back, or until their time is over.":                                           `{"code":"alarm.collector","params":{"address":"x:1","why":"no route"}}`,
		"Pairing with 10.0.0.7 failed: the camera's identity is in doubt. It shows 2 certificates in place of one. Nothing was sent to it. If it was reset or replaced, pair it again.": `{"code":"pairing.failed","params":{"address":"10.0.0.7",` +
			`"why":{"code":"camera.identity","params":{"why":{"code":"pairing.certificates","params":{"count":"2"}}}}}}`,
		"":                       `null`,
		".":                      `null`,
		"Something else is said": `null`,
	} {
		got, err := json.Marshal(Of(text))
		if err != nil || string(got) != want {
			t.Errorf("%q is %s, want %s (%v)", text, got, want, err)
		}
	}
}

func TestParse(t *testing.T) {
	codes := map[string]bool{}
	for _, p := range all().patterns {
		if codes[p.code] || p.code != strings.ToLower(p.code) || strings.ContainsAny(p.code, " {}\"'") {
			t.Errorf("%q is there twice, or no code", p.code)
		}
		codes[p.code] = true
	}
	for _, text := range []string{"no-code", "code: a value {without end"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is a list", text)
		}
	}
}

// FuzzOf: a code and its values always give the text again; what a camera puts into a sentence changes nothing about that.
func FuzzOf(f *testing.F) {
	for _, p := range all().patterns {
		f.Add(strings.Join(p.pieces, "x"))
	}
	f.Add("The camera at : cannot be reached: . cannot be reached: . Check that it has power, is on this network, and that address and port are right")
	list := all()
	byCode := map[string]*pattern{}
	for i := range list.patterns {
		byCode[list.patterns[i].code] = &list.patterns[i]
	}
	f.Fuzz(func(t *testing.T, text string) {
		said := Of(text)
		if said == nil {
			return
		}
		p := byCode[said.Code]
		values, ok := p.match(strings.TrimSuffix(text, "."))
		if !ok || len(values) != len(p.names) {
			t.Fatalf("%q is no %s", text, said.Code)
		}
		var again strings.Builder
		for i, piece := range p.pieces {
			again.WriteString(piece)
			if i < len(values) {
				again.WriteString(values[i])
			}
		}
		if !strings.EqualFold(again.String(), strings.TrimSuffix(text, ".")) {
			t.Errorf("%q came back as %q", text, again.String())
		}
	})
}

// Package sentence gives the sentences that the box writes for people a code, so that a screen can say them in another language.
//
// The box speaks English: its packages write whole sentences, which pass through errors and states, and are kept in the index with gaps
// and events. This package owns the list of them, sentences.txt. At the edge, where a sentence is about to leave as JSON, it is found
// in that list again, and its code and the values in it go along beside the English text. So no other package knows of languages, and
// what was kept years ago is translated too. It holds nothing that the text does not show.
//
// Every sentence in the source MUST be in the list, or in unseen.txt where no screen can show it; a test reads the source for that.
package sentence

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// Said is a sentence as a code and its values.
type Said struct {
	// Code is stable; the wording behind it may change.
	Code string `json:"code" doc:"Which sentence it is; stable"`
	// Params are the values in it by name: a string, or a Said where a sentence stands in the sentence.
	Params map[string]any `json:"params,omitempty" doc:"The values in it by name: text, or an object like this one for a sentence in the sentence"`
}

// list is the sentences that are known.
type list struct{ patterns []pattern }

// pattern is a sentence around its values: pieces[0] names[0] pieces[1] names[1] … the last piece.
type pattern struct {
	code          string
	pieces, names []string
	fixed         int // bytes of all pieces
}

//go:embed sentences.txt
var sentences string

// all is the list that comes with the program. It never changes.
var all = sync.OnceValue(func() *list {
	l, err := parse(sentences)
	if err != nil {
		panic(err) // a test reads the same file
	}
	return l
})

func parse(text string) (*list, error) {
	l := &list{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		code, english, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%q is no code and sentence", line)
		}
		p := pattern{code: code}
		for rest := strings.TrimSuffix(english, "."); ; {
			piece, after, found := strings.Cut(rest, "{")
			p.pieces = append(p.pieces, piece)
			p.fixed += len(piece)
			if !found {
				break
			}
			name, after, found := strings.Cut(after, "}")
			if !found {
				return nil, fmt.Errorf("a value of %s has no end", code)
			}
			p.names, rest = append(p.names, name), after
		}
		l.patterns = append(l.patterns, p)
	}
	return l, nil
}

// deepest is how many sentences may stand in one another.
const deepest = 4

// Of gives the code and the values of a text; nil where it is none of the list. Where several fit, the one that leaves least to the values is it.
func Of(text string) *Said { return all().find(text, deepest) }

func (l *list) find(text string, depth int) *Said {
	text = strings.TrimSuffix(text, ".")
	if text == "" || depth == 0 {
		return nil
	}
	var best *pattern
	var values []string
	for i := range l.patterns {
		p := &l.patterns[i]
		if best != nil && p.fixed <= best.fixed {
			continue
		}
		if found, ok := p.match(text); ok {
			best, values = p, found
		}
	}
	if best == nil {
		return nil
	}
	s := &Said{Code: best.code}
	for i, value := range values {
		if s.Params == nil {
			s.Params = map[string]any{}
		}
		s.Params[best.names[i]] = value
		if inner := l.find(value, depth-1); inner != nil {
			s.Params[best.names[i]] = inner
		}
	}
	return s
}

// match gives the values of a text that this sentence could be.
func (p *pattern) match(text string) (values []string, ok bool) {
	first, last := p.pieces[0], len(p.pieces)-1
	if len(text) < p.fixed || !strings.EqualFold(text[:min(1, len(first))], first[:min(1, len(first))]) || len(first) > 0 && text[1:len(first)] != first[1:] {
		return nil, false
	}
	if text = text[len(first):]; last == 0 {
		return nil, text == ""
	}
	for _, piece := range p.pieces[1:last] {
		value, rest, found := strings.Cut(text, piece)
		if !found {
			return nil, false
		}
		values, text = append(values, value), rest
	}
	value, ok := strings.CutSuffix(text, p.pieces[last])
	return append(values, value), ok
}

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// helpOfValue adds to the help of a flag what kong leaves out where there is a placeholder: the default.
func helpOfValue(v *kong.Value) string {
	var more []string
	if v.Flag != nil && v.HasDefault && v.Default != "" && v.Flag.PlaceHolder != "" {
		more = append(more, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		more = append(more, "$"+name)
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(more, "; ") + ")."
}

// wrongUsage says what is wrong with the arguments, and where to read how it is right. kong gives its errors as text only, so the few
// that speak of the parser and not of the person are known by how they begin.
func wrongUsage(err error) string {
	said, about := err.Error(), ""
	var failed *kong.ParseError
	if errors.As(err, &failed) {
		node := failed.Context.Model.Node
		if at := failed.Context.Selected(); at != nil {
			node, about = at, " "+at.Path()
		} else if path := failed.Context.Path; len(path) > 0 {
			if at := path[len(path)-1].Node(); at != nil && at.Parent != nil {
				node, about = at, " "+at.Path()
			}
		}
		said = plainUsage(said, node)
	}
	return fmt.Sprintf("%s\nRun `cardea help%s` to see how it goes.", said, about)
}

func plainUsage(said string, at *kong.Node) string {
	unexpected, tooMuch := strings.CutPrefix(said, "unexpected argument ")
	missing, tooLittle := strings.CutPrefix(said, "expected ")
	flag, instead, noValue := strings.Cut(said, ": expected string value but got ")
	noValue = noValue && (strings.HasPrefix(instead, `"EOL"`) || strings.Contains(instead, "perhaps try"))
	switch {
	case noValue:
		return flag + " wants a value"
	case tooMuch && len(at.Children) > 0:
		return "there is no command " + unexpected
	case tooMuch:
		return "one argument too many: " + unexpected
	case tooLittle && len(at.Children) > 0:
		names := make([]string, len(at.Children))
		for i, child := range at.Children {
			names[i] = child.Name
		}
		return "say what to do: " + strings.Join(names, ", ")
	case tooLittle:
		return "an argument is missing: " + strings.ReplaceAll(missing, `"`, "")
	}
	return said
}

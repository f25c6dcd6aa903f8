package rtsp

import "strings"

// Redact hides the values of words like password in a path or query. Some cameras want their credentials there
// (/user=admin&password=secret&channel=1.sdp), where no URL parser looks for them.
func Redact(s string) string {
	low := strings.ToLower(s)
	if len(low) != len(s) {
		low = s // Letters whose lower case is of another size: such words are not among them.
	}
	var b strings.Builder
	for at := 0; ; {
		begin, end := secretIn(low, at)
		if begin < 0 {
			return b.String() + s[at:]
		}
		b.WriteString(s[at:begin])
		b.WriteString("…")
		at = end
	}
}

// secretIn finds the first value of a telling word from at on.
func secretIn(low string, at int) (begin, end int) {
	begin = -1
	for _, word := range [...]string{"password=", "passwd=", "passwort=", "pass=", "pwd=", "psw=", "token=", "auth="} {
		if i := strings.Index(low[at:], word); i >= 0 && (begin < 0 || at+i+len(word) < begin) {
			begin = at + i + len(word)
		}
	}
	if begin < 0 {
		return -1, -1
	}
	end = begin + strings.IndexAny(low[begin:]+"&", "&?;/ ")
	// XMeye cameras write user=admin_password=secret_channel=1.
	if i := strings.Index(low[begin:end], "_channel="); i >= 0 {
		end = begin + i
	}
	return begin, end
}

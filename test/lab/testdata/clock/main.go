// Command clock says what time it is, again and again.
package main

import (
	"fmt"
	"time"
)

func main() {
	for {
		fmt.Println(time.Now().UTC())
		time.Sleep(10 * time.Millisecond)
	}
}

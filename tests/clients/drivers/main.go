// Drives the client of the Go SDK, as driver.py describes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type step struct {
	Step, Do, Tool, URI, Name, Argument, Value string
	Arguments                                  map[string]any
}

type testCase struct {
	URL, Command string
	Version      string
	Headers, Env map[string]string
	Args         []string
	Steps        []step
}

var (
	ctx   = context.Background()
	lines = bufio.NewReader(os.Stdin)
)

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// withHeaders adds a case's headers to each request.
type withHeaders map[string]string

func (h withHeaders) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, value := range h {
		request.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(request)
}

func (c testCase) transport() mcp.Transport {
	if c.URL != "" {
		return &mcp.StreamableClientTransport{Endpoint: c.URL, HTTPClient: &http.Client{Transport: withHeaders(c.Headers)}}
	}
	command := exec.Command(c.Command, c.Args...)
	command.Stderr = os.Stderr
	for name, value := range c.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	return &mcp.CommandTransport{Command: command}
}

func release() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/modelcontextprotocol/go-sdk" {
			return module.Version
		}
	}
	return ""
}

func call(ctx context.Context, session *mcp.ClientSession, s step, progress bool) (any, error) {
	params := &mcp.CallToolParams{Name: s.Tool, Arguments: s.Arguments}
	if progress {
		params.SetProgressToken(s.Do)
	}
	return session.CallTool(ctx, params)
}

func do(session *mcp.ClientSession, s step, progress chan any) (any, error) {
	switch s.Do {
	case "tools":
		return session.ListTools(ctx, nil)
	case "call":
		return call(ctx, session, s, false)
	case "resources":
		return session.ListResources(ctx, nil)
	case "templates":
		return session.ListResourceTemplates(ctx, nil)
	case "resource":
		return session.ReadResource(ctx, &mcp.ReadResourceParams{URI: s.URI})
	case "prompts":
		return session.ListPrompts(ctx, nil)
	case "prompt":
		return session.GetPrompt(ctx, &mcp.GetPromptParams{Name: s.Name})
	case "completion":
		return session.Complete(ctx, &mcp.CompleteParams{
			Ref:      &mcp.CompleteReference{Type: "ref/resource", URI: s.URI},
			Argument: mcp.CompleteParamsArgument{Name: s.Argument, Value: s.Value},
		})
	case "progress":
		if _, err := call(ctx, session, s, true); err != nil {
			return nil, err
		}
		select { // a notification's handler may run after the call has ended
		case <-progress:
			return 1, nil
		case <-time.After(time.Minute):
			return 0, nil
		}
	case "cancel":
		within, cancel := context.WithCancel(ctx)
		go func() {
			for <-progress != "cancel" { // one of the step before may come late
			}
			cancel()
		}()
		if _, err := call(within, session, s, true); err == nil {
			return "not cancelled", nil
		}
		return "cancelled", nil
	case "wait":
		return lines.ReadString('\n')
	}
	return nil, fmt.Errorf("no step %q", s.Do)
}

func run(number int, c testCase) error {
	progress := make(chan any, 100)
	client := mcp.NewClient(&mcp.Implementation{Name: "driver", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			progress <- request.Params.ProgressToken
		},
	})
	session, err := client.Connect(ctx, c.transport(), &mcp.ClientSessionOptions{ProtocolVersion: c.Version})
	if err != nil {
		return err
	}
	defer session.Close()
	for _, s := range c.Steps {
		var saw any
		if s.Do == "connect" {
			hello := session.InitializeResult()
			saw = map[string]any{"client": release(), "protocol": hello.ProtocolVersion, "server": hello.ServerInfo.Name}
		} else if saw, err = do(session, s, progress); err != nil {
			return err
		}
		say(map[string]any{"case": number, "step": s.Step, "saw": saw})
	}
	return nil
}

func main() {
	text, _ := lines.ReadString('\n')
	var cases []testCase
	if err := json.Unmarshal([]byte(text), &cases); err != nil {
		panic(err)
	}
	for number, c := range cases {
		if err := run(number, c); err != nil {
			say(map[string]any{"case": number, "error": err.Error()})
		}
	}
}

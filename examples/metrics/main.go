// Metrics is an MCP server for a VictoriaMetrics or a Prometheus, and an example of a server of this repository that is
// not written in Python. It keeps the contract that the chart's sidecar template relies on: see docs/third-server.md.
package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxAnswer  = 64 << 10 // bytes of the store's answer
	maxRequest = 1 << 20  // bytes of a request
	timeout    = 30 * time.Second
	grace      = 3 * time.Second // that calls under way get after SIGTERM
)

// version is set by the build.
var version = "0.0.0"

var calls = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mcp_tool_calls_total",
	Help: "Tool calls by outcome: ok, error.",
}, []string{"tool", "outcome"})

func setting(name, otherwise string) string {
	if value := strings.TrimSpace(os.Getenv(name)); value != "" {
		return value
	}
	return otherwise
}

// store is the HTTP API of Prometheus, which VictoriaMetrics serves as well.
type store struct {
	base   string
	client http.Client
}

// get asks for a path below /api/v1 and returns what the answer's "data" holds.
func (s *store) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the metrics store at %s can't be reached: try again when it serves", s.base)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the metrics store at %s broke off its answer: try again", s.base)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes: aggregate (sum by, topk), or ask for a shorter time or a longer step", maxAnswer)
	}
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		if answer.Error == "" {
			answer.Error = response.Status
		}
		return nil, fmt.Errorf("the metrics store refused: %.500s", answer.Error)
	}
	return answer.Data, nil
}

type queryInput struct {
	Query string `json:"query" jsonschema:"PromQL, such as sum by (job) (rate(jobs_done_total[5m]))"`
	Start string `json:"start,omitempty" jsonschema:"begin of a range, as RFC 3339 or Unix seconds; without it the value now"`
	End   string `json:"end,omitempty" jsonschema:"end of the range; without it now"`
	Step  string `json:"step,omitempty" jsonschema:"between two points of the range, such as 1m"`
}

type queryOutput struct {
	Type   string `json:"type" jsonschema:"vector, matrix or scalar"`
	Result any    `json:"result" jsonschema:"series with their labels and points"`
}

func (s *store) query(ctx context.Context, _ *mcp.CallToolRequest, in queryInput) (*mcp.CallToolResult, queryOutput, error) {
	var out queryOutput
	if strings.TrimSpace(in.Query) == "" {
		return nil, out, errors.New("query is empty: give PromQL; metrics_names lists what there is")
	}
	path, values := "query", url.Values{"query": {in.Query}}
	if in.Start != "" {
		path = "query_range"
		values.Set("start", in.Start)
	}
	for name, value := range map[string]string{"end": in.End, "step": in.Step} {
		if value != "" {
			if in.Start == "" {
				return nil, out, fmt.Errorf("%s is for a range: give start too", name)
			}
			values.Set(name, value)
		}
	}
	data, err := s.get(ctx, path, values)
	if err != nil {
		return nil, out, err
	}
	var answer struct {
		ResultType string `json:"resultType"`
		Result     any    `json:"result"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, out, errors.New("the metrics store answered what is no result of a query")
	}
	return nil, queryOutput{answer.ResultType, answer.Result}, nil
}

type namesInput struct {
	Match string `json:"match,omitempty" jsonschema:"only names of series that this selector finds, such as {job=\"worker\"}"`
}

type namesOutput struct {
	Names []string `json:"names"`
}

func (s *store) names(ctx context.Context, _ *mcp.CallToolRequest, in namesInput) (*mcp.CallToolResult, namesOutput, error) {
	values := url.Values{}
	if in.Match != "" {
		values.Set("match[]", in.Match)
	}
	out := namesOutput{Names: []string{}}
	data, err := s.get(ctx, "label/__name__/values", values)
	if err == nil {
		err = json.Unmarshal(data, &out.Names)
	}
	return nil, out, err
}

func newServer(s *store) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "mcp-metrics", Title: "Metrics", Version: version}, &mcp.ServerOptions{
		Instructions: "Reads one metrics store. Begin with metrics_names; ask with metrics_query, in PromQL.",
	})
	server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
			result, err := next(ctx, method, request)
			if call, ok := request.(*mcp.CallToolRequest); ok && err == nil { // an unknown tool is an error of the protocol
				outcome := "ok"
				if answer, ok := result.(*mcp.CallToolResult); ok && answer.IsError {
					outcome = "error"
				}
				calls.WithLabelValues(call.Params.Name, outcome).Inc()
			}
			return result, err
		}
	})
	reads := &mcp.ToolAnnotations{ReadOnlyHint: true}
	mcp.AddTool(server, &mcp.Tool{Name: "metrics_query", Description: "Answers a PromQL query, now or over a range.", Annotations: reads}, s.query)
	mcp.AddTool(server, &mcp.Tool{Name: "metrics_names", Description: "Lists the names of metrics.", Annotations: reads}, s.names)
	return server
}

// guard refuses what a browser was tricked into sending (DNS rebinding), and clients without the token where one is set.
func guard(next http.Handler, hosts []string, tokenFile string) http.Handler {
	local := []string{"localhost", "127.0.0.1", "::1"}
	name := func(host string) string {
		if h, _, err := net.SplitHostPort(host); err == nil {
			return h
		}
		return strings.Trim(host, "[]")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, message string) {
			slog.Warn("refused", "status", status)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			failure := map[string]any{"code": -32600, "message": message}
			_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": nil, "error": failure})
		}
		if host := name(r.Host); !slices.Contains(hosts, "*") && !slices.Contains(local, host) && !slices.Contains(hosts, host) {
			refuse(http.StatusMisdirectedRequest, "this host is not served: add it to MCP_ALLOWED_HOSTS")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if from, err := url.Parse(origin); err != nil || !slices.Contains(local, from.Hostname()) {
				refuse(http.StatusForbidden, "pages of this origin are not served")
				return
			}
		}
		if tokenFile != "" {
			token, err := os.ReadFile(tokenFile) // each time: it may be rotated
			want := "Bearer " + strings.TrimSpace(string(token))
			if err != nil || want == "Bearer " || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				refuse(http.StatusUnauthorized, "this server wants a bearer token: add the header 'Authorization: Bearer TOKEN'")
				return
			}
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(http.StatusMethodNotAllowed, "send a POST: there are no sessions and no streams")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the request can't be read, or has more than %d bytes", maxRequest))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// jsonLog gives the names of the fields that all servers' logs have.
func jsonLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			a.Key = "ts"
		case slog.LevelKey:
			a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
		}
		return a
	}}))
}

func main() {
	slog.SetDefault(jsonLog())
	for name, otherwise := range map[string]string{"MCP_PORT": "9000", "METRICS_PORT": "8428"} {
		if port, err := strconv.Atoi(setting(name, otherwise)); err != nil || port < 1 || port > 65535 {
			slog.Error(name + " is no port: set a number from 1 to 65535")
			os.Exit(2)
		}
	}
	s := &store{
		base:   "http://" + net.JoinHostPort(setting("METRICS_HOST", "localhost"), setting("METRICS_PORT", "8428")),
		client: http.Client{Timeout: timeout},
	}
	server := newServer(s)
	handler := mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		// guard checks hosts itself: those of the Services are answered too.
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, DisableLocalhostProtection: true},
	)
	state := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
			defer cancel()
			_, err := s.get(ctx, "query", url.Values{"query": {"1"}})
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(status)
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"status": "ok", "backend": map[string]bool{"up": err == nil}})
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard(handler, strings.Split(setting("MCP_ALLOWED_HOSTS", ""), ","), setting("MCP_AUTH_TOKEN_FILE", "")))
	mux.Handle("/health", state(http.StatusOK))
	mux.Handle("/ready", state(http.StatusServiceUnavailable))
	mux.Handle("/metrics", promhttp.Handler())
	address := net.JoinHostPort(setting("MCP_HOST", "0.0.0.0"), setting("MCP_PORT", "9000"))
	web := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		_ = web.Shutdown(ending)
	})
	slog.Info("serving", "address", address, "backend", s.base)
	if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("can't serve", "error", err.Error())
		os.Exit(2)
	}
}

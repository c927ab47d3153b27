// Metrics is an MCP server for VictoriaMetrics or Prometheus, and an example of a server in Go. It meets the contract of
// docs/third-server.md.
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
	"regexp"
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
	maxAnswer  = 64 << 10         // bytes of the store's answer
	maxRequest = 1 << 20          // bytes of a request
	timeout    = 30 * time.Second // of the store's answer, and of a request's body
	grace      = 3 * time.Second  // for calls under way after SIGTERM
)

// version is set by the build.
var version = "0.0.0"

var calls = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "mcp_tool_calls_total",
	Help: "Tool calls by outcome: ok, error.",
}, []string{"tool", "outcome"})

// unknown are settings that restrict the servers in Python, and that this server lacks: it must not serve more than was meant.
var unknown = []string{
	"MCP_AUTH_TOKENS_FILE", "MCP_OAUTH_ISSUER", "MCP_RATE_LIMIT_PER_MINUTE", "MCP_TLS_CERT_FILE", "MCP_TOOLS", "MCP_TOOLS_EXCEPT",
}

func setting(name, otherwise string) string {
	if value := strings.TrimSpace(os.Getenv(name)); value != "" {
		return value
	}
	return otherwise
}

// checkSettings logs a line for each setting that is wrong, and then ends the process.
func checkSettings() {
	wrong := false
	refuse := func(name, reason string) {
		slog.Error(name + " " + reason)
		wrong = true
	}
	for name, otherwise := range map[string]string{"MCP_PORT": "9000", "METRICS_PORT": "8428"} {
		if port, err := strconv.Atoi(setting(name, otherwise)); err != nil || port < 1 || port > 65535 {
			refuse(name, "is not a port: set a number from 1 to 65535")
		}
	}
	if host := setting("METRICS_HOST", "localhost"); net.ParseIP(host) == nil && !regexp.MustCompile(`^[\w.-]+$`).MatchString(host) {
		refuse("METRICS_HOST", "is not a host: give its name or address alone")
	}
	if file, set := os.LookupEnv("MCP_AUTH_TOKEN_FILE"); set && readToken(file) == "" {
		refuse("MCP_AUTH_TOKEN_FILE", "does not name a file with a token")
	}
	for _, name := range unknown {
		if setting(name, "") != "" {
			refuse(name, "is not a setting of this server: remove it, because it would restrict nothing")
		}
	}
	if wrong {
		os.Exit(2)
	}
}

// readToken returns the token in a file, or nothing.
func readToken(file string) string {
	token, _ := os.ReadFile(strings.TrimSpace(file))
	return strings.TrimSpace(string(token))
}

// store is the HTTP API of Prometheus, which VictoriaMetrics serves as well.
type store struct {
	base   string
	client http.Client
}

// get asks for a path below /api/v1 and returns the "data" of the answer. If that is too long, the error says how to ask for less.
func (s *store) get(ctx context.Context, path string, query url.Values, less string) (json.RawMessage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	var body []byte
	response, err := s.client.Do(request)
	if err == nil {
		defer response.Body.Close()
		body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	}
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return nil, fmt.Errorf("the metrics store at %s did not answer within %s: ask for less, or try again", s.base, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("the metrics store at %s can't be reached: try again when it serves", s.base)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes: %s", maxAnswer, less)
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
	Start string `json:"start,omitempty" jsonschema:"start of a range, as RFC 3339 or Unix seconds; default: only the value now"`
	End   string `json:"end,omitempty" jsonschema:"end of the range; default: now"`
	Step  string `json:"step,omitempty" jsonschema:"time between two points of the range, such as 1m"`
}

type queryOutput struct {
	Type   string `json:"type" jsonschema:"vector, matrix or scalar"`
	Result any    `json:"result" jsonschema:"series with their labels and points"`
}

func (s *store) query(ctx context.Context, _ *mcp.CallToolRequest, in queryInput) (*mcp.CallToolResult, queryOutput, error) {
	var out queryOutput
	if strings.TrimSpace(in.Query) == "" {
		return nil, out, errors.New("query is empty: give PromQL; metrics_names lists the metrics")
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
	data, err := s.get(ctx, path, values, "aggregate (sum by, topk), or ask for a shorter time or a longer step")
	if err != nil {
		return nil, out, err
	}
	var answer struct {
		ResultType string `json:"resultType"`
		Result     any    `json:"result"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, out, errors.New("the metrics store's answer is not the result of a query: METRICS_HOST and METRICS_PORT may lead to another program")
	}
	return nil, queryOutput{answer.ResultType, answer.Result}, nil
}

type namesInput struct {
	Match string `json:"match,omitempty" jsonschema:"only names of series that match this selector, such as {job=\"worker\"}"`
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
	data, err := s.get(ctx, "label/__name__/values", values, "give match")
	if err == nil {
		err = json.Unmarshal(data, &out.Names)
	}
	return nil, out, err
}

// up returns whether the store answers within 2 s.
func (s *store) up(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := s.get(ctx, "query", url.Values{"query": {"1"}}, "")
	return err == nil
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

// refusals makes a refusal, which http.Error writes as text, an error of JSON-RPC: clients show only these.
type refusals struct {
	http.ResponseWriter
	refused bool
}

func (w *refusals) WriteHeader(status int) {
	w.refused = status >= 400 && w.Header().Get("Content-Type") != "application/json"
	if w.refused {
		slog.Warn("refused", "status", status)
		w.Header().Set("Content-Type", "application/json")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusals) Write(text []byte) (int, error) {
	if w.refused {
		failure := map[string]any{"code": -32600, "message": strings.TrimSpace(string(text))}
		return len(text), json.NewEncoder(w.ResponseWriter).Encode(map[string]any{"jsonrpc": "2.0", "id": nil, "error": failure})
	}
	return w.ResponseWriter.Write(text)
}

// hostname returns the name in a Host header, without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// guard refuses requests that a web page makes a browser send (DNS rebinding), and clients without the token if one is set.
func guard(next http.Handler, hosts []string, tokenFile string) http.Handler {
	local := []string{"localhost", "127.0.0.1", "::1"}
	return http.HandlerFunc(func(writer http.ResponseWriter, r *http.Request) {
		w := &refusals{ResponseWriter: writer}
		if host := hostname(r.Host); !slices.Contains(hosts, "*") && !slices.Contains(slices.Concat(local, hosts), host) {
			http.Error(w, "this host is not served: add it to MCP_ALLOWED_HOSTS", http.StatusMisdirectedRequest)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			from, err := url.Parse(origin)
			if err != nil || !strings.HasPrefix(from.Scheme, "http") || !slices.Contains(local, from.Hostname()) {
				http.Error(w, "pages of this origin are not served", http.StatusForbidden)
				return
			}
		}
		if tokenFile != "" {
			token := readToken(tokenFile) // each time: it may be rotated
			given := []byte(r.Header.Get("Authorization"))
			if token == "" || subtle.ConstantTimeCompare(given, []byte("Bearer "+token)) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "this server wants a bearer token: add the header 'Authorization: Bearer TOKEN'", http.StatusUnauthorized)
				return
			}
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "send a POST: there are no sessions and no streams", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(writer, r.Body, maxRequest))
		if err != nil {
			message := fmt.Sprintf("the request can't be read, or has more than %d bytes", maxRequest)
			http.Error(w, message, http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// jsonLog returns a logger whose fields have the names that they have in all servers.
func jsonLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			a.Key = "ts"
		case slog.LevelKey:
			a.Value = slog.StringValue(map[string]string{"INFO": "info", "WARN": "warning", "ERROR": "error"}[a.Value.String()])
		}
		return a
	}}))
}

func main() {
	slog.SetDefault(jsonLog())
	checkSettings()
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
	promauto.NewGaugeFunc(prometheus.GaugeOpts{Name: "mcp_backend_up", Help: "1 while the store serves, else 0."}, func() float64 {
		if s.up(context.Background()) {
			return 1
		}
		return 0
	})
	state := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			up := s.up(r.Context())
			w.Header().Set("Content-Type", "application/json")
			if !up {
				w.WriteHeader(status)
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"status": "ok", "backend": map[string]bool{"up": up}})
		}
	}
	hosts := strings.FieldsFunc(strings.ToLower(setting("MCP_ALLOWED_HOSTS", "")), func(r rune) bool { return r == ',' || r == ' ' })
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard(handler, hosts, setting("MCP_AUTH_TOKEN_FILE", "")))
	mux.Handle("/health", state(http.StatusOK))
	mux.Handle("/ready", state(http.StatusServiceUnavailable))
	mux.Handle("/metrics", promhttp.Handler())
	address := net.JoinHostPort(setting("MCP_HOST", "0.0.0.0"), setting("MCP_PORT", "9000"))
	web := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: timeout}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		_ = web.Shutdown(ending)
	})
	slog.Info("serving", "address", address, "backend", s.base)
	if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("can't listen: set MCP_HOST or MCP_PORT to another", "error", err.Error())
		os.Exit(2)
	}
	<-ended // it returns when Shutdown begins
}

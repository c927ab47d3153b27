import io.modelcontextprotocol.client.McpAsyncClient;
import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.client.transport.ServerParameters;
import io.modelcontextprotocol.client.transport.StdioClientTransport;
import io.modelcontextprotocol.json.McpJsonDefaults;
import io.modelcontextprotocol.json.McpJsonMapper;
import io.modelcontextprotocol.spec.McpClientTransport;
import io.modelcontextprotocol.spec.McpSchema;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Drives the client of the Java SDK, as driver.py describes. Argument: the SDK's release. */
public final class Driver {
    private static final McpJsonMapper JSON = McpJsonDefaults.getMapper();
    private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));
    private static final Duration LIMIT = Duration.ofMinutes(1);

    private final LinkedBlockingQueue<Object> progress = new LinkedBlockingQueue<>();
    private final String release;
    private final McpAsyncClient client;

    private Driver(String release, Map<String, Object> given) {
        this.release = release;
        this.client = McpClient.async(transport(given))
                .requestTimeout(LIMIT)
                .progressConsumer(told -> reactor.core.publisher.Mono.fromRunnable(() -> progress.add(told.progressToken())))
                .build();
    }

    @SuppressWarnings("unchecked")
    private static <T> T part(Map<String, Object> given, String name) {
        return (T) given.get(name);
    }

    private static McpClientTransport transport(Map<String, Object> given) {
        String url = part(given, "url"), version = part(given, "version");
        if (url == null) {
            List<String> args = part(given, "args");
            ServerParameters server = ServerParameters.builder(part(given, "command")).args(args).env(part(given, "env")).build();
            return new StdioClientTransport(server, JSON) {
                @Override
                public List<String> protocolVersions() { // it offers the last of these; a client of its time has no later one
                    return List.of(version);
                }
            };
        }
        URI place = URI.create(url);
        Map<String, String> headers = part(given, "headers");
        var built = HttpClientStreamableHttpTransport.builder(place.resolve("/").toString())
                .endpoint(place.getPath())
                .addHttpRequestCustomizer((request, method, uri, body, context) -> headers.forEach(request::setHeader));
        return (version == null ? built : built.supportedProtocolVersions(List.of(version))).build();
    }

    private reactor.core.publisher.Mono<McpSchema.CallToolResult> call(Map<String, Object> step) {
        var request = McpSchema.CallToolRequest.builder(part(step, "tool")).arguments(Driver.<Map<String, Object>>part(step, "arguments"));
        return client.callTool(step.get("do").equals("call") ? request.build() : request.progressToken((String) step.get("do")).build());
    }

    private Object take(Map<String, Object> step) throws IOException, InterruptedException {
        switch (Driver.<String>part(step, "do")) {
            case "connect":
                var hello = client.initialize().block();
                return Map.of("client", release, "protocol", hello.protocolVersion(), "server", hello.serverInfo().name());
            case "tools":
                return client.listTools().block();
            case "call":
                return call(step).block();
            case "resources":
                return client.listResources().block();
            case "templates":
                return client.listResourceTemplates().block();
            case "resource":
                return client.readResource(McpSchema.ReadResourceRequest.builder(part(step, "uri")).build()).block();
            case "prompts":
                return client.listPrompts().block();
            case "prompt":
                var wanted = McpSchema.GetPromptRequest.builder(part(step, "name")).arguments(part(step, "arguments")).build();
                return client.getPrompt(wanted).block();
            case "completion":
                var argument = new McpSchema.CompleteRequest.CompleteArgument(part(step, "argument"), part(step, "value"));
                var asked = McpSchema.CompleteRequest.builder(new McpSchema.ResourceReference(part(step, "uri")), argument).build();
                return client.completeCompletion(asked).block();
            case "progress": // a notification may come after the result
                call(step).block();
                return progress.poll(1, TimeUnit.MINUTES) == null ? 0 : 1;
            case "cancel":
                var waiting = call(step).subscribe();
                while (!progress.take().equals("cancel")) {} // one of the step before may come late
                waiting.dispose();
                return waiting.isDisposed() ? "cancelled" : "not cancelled";
            default:
                return INPUT.readLine();
        }
    }

    private static void say(int number, Map<String, Object> told) throws IOException {
        Map<String, Object> line = new LinkedHashMap<>(Map.of("case", number));
        line.putAll(told);
        System.out.println(JSON.writeValueAsString(line));
    }

    @SuppressWarnings("unchecked")
    public static void main(String[] arguments) throws IOException {
        int number = 0;
        for (Object one : JSON.readValue(INPUT.readLine(), List.class)) {
            Driver driver = new Driver(arguments[0], (Map<String, Object>) one);
            try {
                for (Map<String, Object> step : Driver.<List<Map<String, Object>>>part((Map<String, Object>) one, "steps")) {
                    say(number, Map.of("step", step.get("step"), "saw", driver.take(step)));
                }
            } catch (Exception error) {
                Throwable cause = error;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                say(number, Map.of("error", cause.getMessage()));
            }
            driver.client.close();
            number++;
        }
        System.exit(0);
    }
}

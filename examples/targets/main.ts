// Targets is an MCP server for vmagent, the scraper of VictoriaMetrics, and an example of a server in TypeScript. It meets the
// contract of docs/third-server.md.
import { timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer, validateHostHeader, validateOriginHeader } from '@modelcontextprotocol/server';
import { collectDefaultMetrics, Counter, Gauge, register } from 'prom-client';
import * as z from 'zod';

declare const VERSION: string; // by the build

const MAX_BODY = 1 << 20; // bytes of a request
const MAX_STORE = 8 << 20; // bytes of vmagent's answer
const MAX_RESULT = 64 << 10; // characters of a tool's result
const TIMEOUT = 10_000; // ms to wait for vmagent
const GRACE = 3_000; // ms for calls under way after SIGTERM

const log = (level: string, msg: string, fields: object = {}): void => {
  process.stderr.write(`${JSON.stringify({ ts: new Date().toISOString(), level, msg, ...fields })}\n`);
};

const setting = (name: string, otherwise: string): string => process.env[name]?.trim() || otherwise;

let wrong = false;
const refuse = (name: string, reason: string): void => {
  log('error', `${name} ${reason}`);
  wrong = true;
};

const port = (name: string, otherwise: string): number => {
  const text = setting(name, otherwise);
  if (!/^\d{1,5}$/.test(text) || +text < 1 || +text > 65535) refuse(name, 'is not a port: set a number from 1 to 65535');
  return +text;
};

/** Return the token in a file, or nothing. */
const readToken = (file: string): string => {
  try {
    return readFileSync(file.trim(), 'utf8').trim();
  } catch {
    return '';
  }
};

const vmagent = setting('VMAGENT_HOST', 'localhost');
const place = isIPv6(vmagent) ? `[${vmagent}]` : vmagent;
if (!/^[\w.:[\]-]+$/.test(place) || !URL.canParse(`http://${place}:1`)) refuse('VMAGENT_HOST', 'is not a host: give its name or address alone');
const [vmagentPort, ownPort] = [port('VMAGENT_PORT', '8429'), port('MCP_PORT', '9000')];
const tokenFile = process.env['MCP_AUTH_TOKEN_FILE'];
if (tokenFile !== undefined && !readToken(tokenFile)) refuse('MCP_AUTH_TOKEN_FILE', 'does not name a file with a token');
// These restrict the servers in Python. This server lacks them, and must not serve more than was meant.
for (const name of ['AUTH_TOKENS_FILE', 'OAUTH_ISSUER', 'RATE_LIMIT_PER_MINUTE', 'TLS_CERT_FILE', 'TOOLS', 'TOOLS_EXCEPT']) {
  if (setting(`MCP_${name}`, '')) refuse(`MCP_${name}`, 'is not a setting of this server: remove it, because it would restrict nothing');
}
if (wrong) process.exit(2);
const agent = new URL(`http://${place}:${vmagentPort}`);

/** A failure whose text is for the model. */
class ToolError extends Error {}

/** Ask vmagent for a path, and return the text of the answer. */
async function ask(path: string, timeout = TIMEOUT): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(new URL(path, agent), { signal: AbortSignal.timeout(timeout) });
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of answer.body ?? []) {
      if ((bytes += part.length) > MAX_STORE) break;
      parts.push(part);
    }
    if (bytes <= MAX_STORE && answer.ok) return Buffer.concat(parts).toString();
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new ToolError(`vmagent at ${agent.host} ${late ? 'did not answer in time' : "can't be reached"}. Try again when it serves.`);
  }
  throw new ToolError(answer.ok ? `vmagent's answer has more than ${MAX_STORE} bytes.` : `vmagent refused with status ${answer.status}.`);
}

const Target = z.object({
  job: z.string(),
  url: z.string(),
  health: z.string().describe('up, down or unknown'),
  error: z.string().optional().describe('of the last scrape'),
  last_scrape: z.string().describe('RFC 3339'),
});

interface ActiveTarget {
  labels: { job?: string };
  scrapePool: string;
  scrapeUrl: string;
  health: string;
  lastError?: string;
  lastScrape: string;
}

async function targets(): Promise<z.infer<typeof Target>[]> {
  const text = await ask('/api/v1/targets?state=active');
  let found: ActiveTarget[];
  try {
    found = (JSON.parse(text) as { data: { activeTargets: ActiveTarget[] } }).data.activeTargets;
  } catch {
    throw new ToolError(`${agent.host} does not answer like vmagent. VMAGENT_HOST and VMAGENT_PORT may lead to another program.`);
  }
  return found.map((t) => ({
    job: t.labels.job ?? t.scrapePool,
    url: t.scrapeUrl,
    health: t.health,
    ...(t.lastError ? { error: t.lastError.slice(0, 300) } : {}),
    last_scrape: t.lastScrape,
  }));
}

const calls = new Counter({ name: 'mcp_tool_calls_total', help: 'Tool calls by outcome: ok, error.', labelNames: ['tool', 'outcome'] });
collectDefaultMetrics();
const up = (): Promise<boolean> => ask('/health', 2_000).then(() => true, () => false); // a probe waits 5 s
new Gauge({
  name: 'mcp_backend_up',
  help: '1 while the store serves, else 0.',
  async collect() {
    this.set(Number(await up()));
  },
});

/** Return a tool's result, as text and structured, or its failure as an error that the model reads. */
async function result(tool: string, work: () => Promise<Record<string, unknown>>) {
  try {
    const structuredContent = await work();
    const text = JSON.stringify(structuredContent);
    if (text.length > MAX_RESULT) throw new ToolError('The result is too long. Use targets_list with job, health or a lower limit.');
    calls.inc({ tool, outcome: 'ok' });
    return { content: [{ type: 'text' as const, text }], structuredContent };
  } catch (error) {
    calls.inc({ tool, outcome: 'error' });
    if (!(error instanceof ToolError)) log('error', 'a tool failed', { tool, error: String(error) });
    const text = error instanceof ToolError ? error.message : 'The tool failed. The log of the server says why.';
    return { content: [{ type: 'text' as const, text }], isError: true };
  }
}

function server(): McpServer {
  const mcp = new McpServer(
    { name: 'mcp-targets', title: 'Scrape targets', version: VERSION },
    { instructions: 'Says what one vmagent scrapes. Begin with targets_summary; targets_list shows targets and their errors.' },
  );
  const annotations = { readOnlyHint: true };
  mcp.registerTool(
    'targets_summary',
    {
      description: 'Counts the targets of each job by health.',
      annotations,
      inputSchema: z.strictObject({}),
      outputSchema: z.object({ jobs: z.record(z.string(), z.record(z.string(), z.number())) }),
    },
    () =>
      result('targets_summary', async () => {
        const jobs: Record<string, Record<string, number>> = Object.create(null);
        for (const { job, health } of await targets()) {
          const counts = (jobs[job] ??= {});
          counts[health] = (counts[health] ?? 0) + 1;
        }
        return { jobs };
      }),
  );
  mcp.registerTool(
    'targets_list',
    {
      description: 'Lists targets, with the error of the last scrape.',
      annotations,
      inputSchema: z.strictObject({
        health: z.enum(['up', 'down', 'unknown']).optional().describe('only targets of this health'),
        job: z.string().optional().describe('only targets of this job'),
        limit: z.number().int().min(1).max(200).default(50),
      }),
      outputSchema: z.object({ targets: z.array(Target), found: z.number().int() }),
    },
    ({ health, job, limit }) =>
      result('targets_list', async () => {
        const found = (await targets()).filter((t) => (!health || t.health === health) && (!job || t.job === job));
        return { targets: found.slice(0, limit), found: found.length };
      }),
  );
  return mcp;
}

const hosts = ['localhost', '127.0.0.1', '[::1]'];
const allowed = setting('MCP_ALLOWED_HOSTS', '').split(',').map((host) => host.trim()).filter(Boolean);

/** Return the status and the message that refuse a request, or nothing. */
function refusal(request: IncomingMessage): [number, string] | undefined {
  if (!allowed.includes('*') && !validateHostHeader(request.headers.host, [...hosts, ...allowed]).ok) {
    return [421, 'this host is not served: add it to MCP_ALLOWED_HOSTS'];
  }
  if (!validateOriginHeader(request.headers.origin, hosts).ok) return [403, 'pages of this origin are not served'];
  if (tokenFile) {
    const token = readToken(tokenFile); // each time: it may be rotated
    const [want, got] = [Buffer.from(`Bearer ${token}`), Buffer.from(request.headers.authorization ?? '')];
    if (!token || want.length !== got.length || !timingSafeEqual(want, got)) {
      return [401, "this server wants a bearer token: add the header 'Authorization: Bearer TOKEN'"];
    }
  }
  if (request.method !== 'POST') return [405, 'send a POST: there are no sessions and no streams'];
  return undefined;
}

const handler = createMcpHandler(server, { onerror: (error) => log('warning', 'a request failed', { error: error.message }) });
const mcp = toNodeHandler(handler, { maxRequestBodySize: MAX_BODY });

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'Content-Type': type }).end(body);
  };
  switch (request.url?.split('?')[0]) {
    case '/mcp': {
      const refused = refusal(request);
      if (!refused) return mcp(request, response);
      const [status, message] = refused;
      log('warning', 'refused', { status });
      if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
      if (status === 405) response.setHeader('Allow', 'POST');
      return answer(status, 'application/json', JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message } }));
    }
    case '/health':
    case '/ready': {
      const backend = { up: await up() };
      const status = backend.up || request.url.startsWith('/health') ? 200 : 503;
      return answer(status, 'application/json', JSON.stringify({ status: 'ok', backend }));
    }
    case '/metrics':
      return answer(200, register.contentType, await register.metrics());
    default:
      return answer(404, 'text/plain', 'there are /mcp, /health, /ready and /metrics\n');
  }
}

const web = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    log('error', 'a request failed', { error: String(error) });
    response.destroy();
  });
});
const host = setting('MCP_HOST', '0.0.0.0');
web.on('error', (error) => {
  log('error', "can't listen: set MCP_HOST or MCP_PORT to another", { error: error.message });
  process.exit(2);
});
web.listen(ownPort, host, () => log('info', 'serving', { host, port: ownPort, backend: agent.host }));
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    web.close(() => process.exit(0));
    web.closeIdleConnections();
    setTimeout(() => process.exit(0), GRACE).unref();
  });
}

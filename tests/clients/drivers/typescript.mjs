// Drives the clients of the TypeScript SDK, release 1 (@modelcontextprotocol/sdk) and 2 (@modelcontextprotocol/client), as driver.py
// describes. Arguments: the folder of the packages, and the release.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, release] = process.argv.slice(2);
const old = release === "1";
const folder = join(modules, "@modelcontextprotocol", old ? "sdk" : "client");
const load = (path) => import(pathToFileURL(join(folder, "dist", path)).href);
const [main, http, stdio] = await Promise.all(
  old
    ? ["index", "streamableHttp", "stdio"].map((name) => load(`esm/client/${name}.js`))
    : ["index.mjs", "index.mjs", "stdio.mjs"].map(load),
);
const types = old ? await load("esm/types.js") : {};
const number = JSON.parse(readFileSync(join(folder, "package.json"))).version;

const MODERN = "2026-07-28";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;
const say = (told) => process.stdout.write(JSON.stringify(told) + "\n");

function open({ version = old ? "2025-11-25" : MODERN, url, headers, command, args, env }) {
  const transport = url
    ? new http.StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } })
    : new stdio.StdioClientTransport({ command, args, env });
  const modern = version === MODERN;
  const client = new main.Client({ name: "driver", version: "1" }, modern ? { versionNegotiation: { mode: "auto" } } : {});
  let negotiated;
  if (!modern) {
    // Both SDKs offer their newest version of before; a client of its time offers its own.
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
      if (message.method === "initialize") message.params.protocolVersion = version;
      return send(message, options);
    };
    const set = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (value) => {
      negotiated = value;
      set?.(value);
    };
  }
  const call = ({ tool, arguments: given }, options) =>
    client.callTool({ name: tool, arguments: given }, ...(old ? [types.CallToolResultSchema] : []), options);
  return {
    client,
    async connect() {
      await client.connect(transport);
      const protocol = modern ? client.getNegotiatedProtocolVersion() : negotiated;
      return { client: number, protocol, server: client.getServerVersion()?.name };
    },
    tools: () => client.listTools(),
    call,
    resources: () => client.listResources(),
    templates: () => client.listResourceTemplates(),
    resource: ({ uri }) => client.readResource({ uri }),
    prompts: () => client.listPrompts(),
    prompt: (wanted) => client.getPrompt(wanted),
    completion: ({ uri, argument, value }) =>
      client.complete({ ref: { type: "ref/resource", uri }, argument: { name: argument, value } }),
    async progress(wanted) {
      let seen = 0;
      await call(wanted, { onprogress: () => seen++ });
      return seen;
    },
    async cancel(wanted) {
      const controller = new AbortController();
      const options = { signal: controller.signal, onprogress: () => controller.abort() };
      return call(wanted, options).then(() => "not cancelled", () => "cancelled");
    },
  };
}

for (const [index, given] of JSON.parse(await line()).entries()) {
  const driven = open(given);
  try {
    for (const { step, do: method, ...wanted } of given.steps) {
      const saw = await (method === "wait" ? line() : driven[method](wanted));
      say({ case: index, step, saw });
    }
  } catch (error) {
    say({ case: index, error: String(error?.message ?? error) });
  }
  await driven.client.close().catch(() => {});
}
process.exit(0);

// Clients of the TypeScript SDK, version 1 (@modelcontextprotocol/sdk) and 2 (@modelcontextprotocol/client), in each version of
// the protocol that they speak. Standard input: {modules, sdk, cases}; standard output: a list of what each case saw.
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { modules, sdk, cases } = JSON.parse(await text(process.stdin));
const load = (path) => import(pathToFileURL(join(modules, "@modelcontextprotocol", path)).href);

const [main, http, stdio] =
  sdk === 1
    ? await Promise.all(["index", "streamableHttp", "stdio"].map((name) => load(`sdk/dist/esm/client/${name}.js`)))
    : [await load("client/dist/index.mjs"), await load("client/dist/index.mjs"), await load("client/dist/stdio.mjs")];

const MODERN = "2026-07-28";

async function see({ version, url, command, args, env, tool, wrong }) {
  const transport = url
    ? new http.StreamableHTTPClientTransport(new URL(url))
    : new stdio.StdioClientTransport({ command, args, env, stderr: "ignore" });
  let negotiated;
  if (version !== MODERN) {
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
  const options = version === MODERN ? { versionNegotiation: { mode: { pin: MODERN } } } : {};
  const client = new main.Client({ name: "peer", version: "1" }, options);
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    const result = await client.callTool({ name: tool, arguments: {} });
    const { prompts } = await client.listPrompts();
    const refused = await client.callTool({ name: wrong, arguments: {} });
    return {
      version: version === MODERN ? client.getNegotiatedProtocolVersion() : negotiated,
      server: client.getServerVersion()?.name,
      tools: tools.map((t) => t.name),
      prompts: prompts.map((p) => p.name),
      failed: result.isError ?? false,
      same: JSON.stringify(JSON.parse(result.content[0].text)) === JSON.stringify(result.structuredContent),
      refused: refused.isError ?? false,
    };
  } finally {
    await client.close();
  }
}

const seen = [];
for (const one of cases) {
  seen.push(await see(one).catch((error) => ({ error: String(error?.stack ?? error) })));
}
process.stdout.write(JSON.stringify(seen));
process.exit(0);

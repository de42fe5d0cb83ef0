import { assertEquals } from "@std/assert";
import { userHome } from "../lib/config/paths.ts";
import { tempDir } from "./helpers/files.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";

/** An MCP server that answers with the directory it runs in. */
const SAYS_WHERE = `
import json, os, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    r = {"content": [{"type": "text", "text": os.getcwd()}]}
    if m["method"] == "initialize":
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "w", "version": "1"}}
    if m["method"] == "tools/list": r = {"tools": [{"name": "where", "inputSchema": {"type": "object"}}]}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
`;

Deno.test("a server known to be one for all windows runs in the directory of none, unless its entry says so", async () => {
  await using at = await twoWorkspaces();
  await using dir = await tempDir({ "site-packages/mcp_server_fetch/server.py": SAYS_WHERE });
  const fetch = { command: "python3", args: [`${dir.path}/site-packages/mcp_server_fetch/server.py`] };
  const home = await Deno.realPath(userHome());
  const cases = [
    [fetch, [home, home]],
    [{ ...fetch, share: "machine" }, [at.p, at.p]],
    [{ ...fetch, share: "project" }, [at.p, at.q]],
    [{ ...fetch, cwd: "${workspaceFolder}" }, [at.p, at.q]],
    [{ ...fetch, cwd: dir.path }, [dir.path, dir.path]],
  ] as const;
  for (const [entry, wanted] of cases) {
    await using it = await mountingDaemon({ fetch: entry });
    using ada = await RawClient.hello(it.url, { cwd: at.p });
    using bob = await RawClient.hello(it.url, { cwd: at.q });
    const said = [firstText(await ada.call("where")), firstText(await bob.call("where"))];
    assertEquals(said, [...wanted], JSON.stringify(entry));
    for (const window of [ada, bob]) await window.close();
  }
});

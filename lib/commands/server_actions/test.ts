import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { mapSome } from "../../base/map_some.ts";
import { formatDuration, HOUR_MS, SECOND_MS } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { askDaemon } from "../../client/daemon_client.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { formatTable, MAX_ERROR_CHARS } from "../table.ts";
import { openSession } from "../tool_catalog.ts";
import { statePaths } from "../../config/paths.ts";
import { catalogName, readServers } from "../../config/servers.ts";
import { ServerFile } from "./server_file.ts";

export const testServers: Action = {
  summary: "Start servers and see whether they answer, as for a window in this directory",
  forms: [
    {
      args: "[NAME...]",
      does: "tests servers, every one that is switched on when none is named, and says why one fails",
    },
  ],
  exits: { 0: "every server answers", 1: "a server does not answer, or has a faulty entry" },
  run: test,
};

/** Servers started at once. */
const MAX_AT_ONCE = 4;

/** The daemon bounds each test by the server's own limits; this only ends a wait for a daemon that hangs. */
const LIMIT_MS = HOUR_MS;

/** A file saved longer ago than this the daemon has read. */
const RECENT_MS = 5 * SECOND_MS;

type Outcome = { server: string; ok: true; check: JsonObject } | { server: string; ok: false; why: string };

async function test(invocation: Invocation): Promise<CommandResult> {
  const names = await namesToTest(invocation);
  if (names.length === 0) return { text: "mcp.json names no server to test", json: { servers: [] }, code: 0 };
  return await testNamed(invocation, names);
}

/** Starts the servers of these names as {@linkcode testServers} does. */
export async function testNamed(invocation: Invocation, names: readonly string[]): Promise<CommandResult> {
  await readIfRecent(invocation);
  const left = new Set(names);
  const step = () => invocation.progress.step(`waiting for ${[...left].join(", ")} to answer`);
  step();
  const outcomes = await mapSome(MAX_AT_ONCE, names, async (name): Promise<Outcome> => {
    const outcome = await testOne(invocation, name);
    left.delete(name);
    if (left.size > 0) step();
    return outcome;
  });
  return {
    text: report(outcomes),
    json: { servers: outcomes.map(jsonOf) },
    code: outcomes.every(({ ok }) => ok) ? 0 : 1,
  };
}

/** The servers named, else those of the file that are not switched off. */
async function namesToTest({ args, settings }: Invocation): Promise<string[]> {
  const file = await ServerFile.open(settings);
  const { servers, faulty } = await readServers(file.path, { ownPort: settings.port || undefined });
  if (args.length === 0) return [...servers.keys(), ...faulty];
  const nameOf = (title: string) =>
    servers.values().find((config) => config.title === title)?.name ?? catalogName(title) ?? title;
  return [...new Set(args.map((name) => nameOf(file.find(name).title)))];
}

/**
 * Has the daemon read a file that was saved a moment ago: it notices within a second, and what is tested is what the file
 * says now.
 */
async function readIfRecent(invocation: Invocation): Promise<void> {
  const { config } = statePaths(invocation.settings);
  const savedAtMs = await Deno.stat(config).then(({ mtime }) => mtime?.getTime() ?? 0, () => 0);
  if (Date.now() - savedAtMs > RECENT_MS) return;
  using _session = await openSession(invocation);
  await askDaemon(invocation.settings, "/reload", "POST");
}

async function testOne(invocation: Invocation, name: string): Promise<Outcome> {
  // A session of its own: the daemon takes it off the server afterwards.
  using session = await openSession(invocation);
  const path = `/servers/check?${new URLSearchParams({ name, session: session.id })}`;
  try {
    return { server: name, ok: true, check: await askDaemon(invocation.settings, path, "POST", LIMIT_MS) };
  } catch (thrown) {
    if (!(thrown instanceof ExaiError) || thrown.code === "DAEMON_UNAVAILABLE") throw thrown;
    return { server: name, ok: false, why: thrown.message };
  }
}

function jsonOf(outcome: Outcome): JsonObject {
  const { server, ok } = outcome;
  return outcome.ok ? { server, ok, ...outcome.check } : { server, ok, error: outcome.why };
}

function report(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => {
    if (!outcome.ok) return [outcome.server, "FAILED"];
    const { start_ms, answer_ms, lists, implementation, version, protocol } = outcome.check;
    const counts = Object.entries(lists as JsonObject).filter(([, count]) => count !== 0)
      .map(([kind, count]) => `${count} ${count === 1 ? kind.replace(/s$/, "") : kind}`);
    return [
      outcome.server,
      "ok",
      start_ms === undefined ? "ran" : formatDuration(Number(start_ms)),
      answer_ms === undefined ? "no ping" : formatDuration(Number(answer_ms)),
      counts.join(", ") || "nothing",
      `${implementation} ${version}`,
      protocol,
    ];
  });
  // Each names its server.
  const whys = outcomes.flatMap((outcome) => outcome.ok ? [] : [visible(outcome.why, MAX_ERROR_CHARS)]);
  const table = formatTable(["SERVER", "RESULT", "STARTED IN", "ANSWERS IN", "OFFERS", "IS", "SPEAKS"], rows);
  return [table, ...whys].join("\n\n");
}

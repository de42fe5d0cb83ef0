import { withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { overCapacityFor } from "../base/exhaustion.ts";
import { redact } from "../base/log.ts";
import { SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { Instance } from "./instance/instance.ts";
import type { InstanceOptions } from "./instance/instance_options.ts";
import { refusalAdvice } from "./sharing/decide_share.ts";
import type { SlotRequest } from "./slot_request.ts";
import { type EraKeeper, type StartParts, startSpoken } from "./start_spoken.ts";

/** Longest line written to a server's log file, in characters. */
const MAX_LOG_CHARS = 4096;

/** Unanswered calls in a row after which a process of one session is replaced: it delays no other session. */
const MAX_SILENCES_OF_ONE_SESSION = 3;

/** Connects to a server as its configuration says: spawns the process, or opens the URL; no more once `signal` aborts. */
export type Connect = (config: ServerConfig, signal: AbortSignal) => Promise<UpstreamTransport>;

/** What the instances of one server are started with. */
export interface InstanceStartOptions {
  connect: Connect;
  clientInfo: Implementation;
  eras: { of(account: string | undefined): EraKeeper };
  /** Takes text for the server's own log file: messages that belong to no session. */
  log?(server: string, text: string): void;
  /** How long after a call a message of the server may still be about it, in milliseconds. */
  settleMs?: number;
}

/** What a running instance reports. */
export type InstanceEvents = Pick<
  InstanceOptions,
  "onQuestion" | "onRootsAsked" | "onConnectionLost" | "onSubscriptionLost" | "onListChanged"
>;

/**
 * Starts the instance that `request` describes.
 *
 * @throws {ExaiError} `OVER_CAPACITY` when the machine lacks a handle or memory for it; `UPSTREAM_UNAVAILABLE` when it
 * does not start, or `signal` aborts
 */
export async function startInstance(
  request: SlotRequest,
  { connect, clientInfo, eras, settleMs, log, orphaned, onStartAgain, signal, events }:
    & InstanceStartOptions
    & Pick<InstanceOptions, "orphaned">
    & Pick<StartParts, "onStartAgain" | "signal">
    & { events: InstanceEvents },
): Promise<Instance> {
  const { config, session, scope, advertised, canIsolate, roots } = request;
  const beganAtMs = performance.now();
  const open = () =>
    connect(config, signal).catch((thrown) => {
      throw overCapacityFor(`server "${config.title}" cannot start`, thrown, { server: config.name }) ??
        thrown;
    });
  const transport = await open();
  const late = new AbortController();
  const parts = {
    connect: open,
    eras: eras.of(config.kind === "stdio" ? undefined : config.account),
    onStartAgain,
    signal: AbortSignal.any([signal, late.signal]),
  };
  const starting = startSpoken(transport, parts, {
    name: config.name,
    clientInfo,
    capabilities: advertised,
    refusalAdvice: refusalAdvice(canIsolate || scope === "session"),
    settleMs,
    orphaned,
    log: (line) => log?.(config.name, `${visible(redact(line), MAX_LOG_CHARS)}\n`),
    ...events,
    roots,
    // A process of one session asks its client each time, so that it sees roots change.
    rootsAtStart: scope === "session" ? session.roots : undefined,
    startTimeoutMs: config.startTimeoutMs,
    maxSilences: scope === "session" ? MAX_SILENCES_OF_ONE_SESSION : undefined,
  });
  const spentMs = performance.now() - beganAtMs;
  if (spentMs < SECOND_MS) return await starting;
  // The time a package took to install counts: nobody waits longer than the limit in all.
  const timeoutMs = Math.max(0, config.startTimeoutMs - spentMs);
  return await withDeadline(starting, { timeoutMs }).catch((thrown) => {
    late.abort();
    throw thrown instanceof DOMException ? lateError(config, transport.protocolIssue) : thrown;
  });
}

function lateError({ title, name, startTimeoutMs }: ServerConfig, issue: string | undefined): ExaiError {
  const why = `it was not ready within ${startTimeoutMs} ms${issue === undefined ? "" : `; ${issue}`}`;
  return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${title}": ${why}`, { details: { server: name } });
}

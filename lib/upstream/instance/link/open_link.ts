import { delay } from "@std/async/delay";
import type { JsonObject } from "../../../base/json.ts";
import { monotonicNow } from "../../../base/time.ts";
import { SECOND_MS } from "../../../base/units.ts";
import type { UpstreamTransport } from "../../../transport/upstream_transport.ts";
import type { Attribution } from "../attribution.ts";
import type { UpstreamExchange } from "../exchange.ts";
import type { Inbound } from "../inbound.ts";
import type { InstanceOptions } from "../instance_options.ts";
import type { SharedLogLevel } from "../log_level.ts";
import type { SharedStateCalls } from "../shared_state_calls.ts";
import type { Subscriptions } from "../subscriptions.ts";
import type { StartRoots } from "../start_roots.ts";
import { findEra, type KnownEra } from "./find_era.ts";
import { initialize } from "./initialize.ts";
import { LegacyLink } from "./legacy_link.ts";
import { ModernLink } from "./modern_link.ts";
import { modernParams } from "./modern_request.ts";
import type { ServerLink } from "./server_link.ts";

/** How long a server that has shown life may leave `server/discover` unanswered before `initialize` is sent too. */
const QUIET_MS = SECOND_MS / 2;

/** The same for one that has written nothing at all, not even to its log. */
const SILENT_MS = SECOND_MS;

/** What the link to one server is made of. */
export interface LinkParts {
  options: InstanceOptions;
  transport: UpstreamTransport;
  exchange: UpstreamExchange;
  inbound: Inbound;
  attribution: Attribution;
  logLevel: SharedLogLevel;
  sharedStateCalls: SharedStateCalls;
  subscriptions: Subscriptions;
  roots: StartRoots;
  /** Resolves when the server has ended. */
  ended: Promise<unknown>;
  /** Changes that the server tells may have been missed. */
  onGap(): void;
  /** The server does not speak the revision any more. */
  onRevisionRefused(why: string): void;
}

/**
 * Finds out how the server behind a connection that was opened is spoken with.
 *
 * @throws as `findEra` does
 */
export async function openLink(parts: LinkParts): Promise<ServerLink> {
  const { options, transport, exchange, ended } = parts;
  const { name, clientInfo, capabilities, startTimeoutMs: timeoutMs, era: known } = options;
  const { awake } = transport;
  const beganAtMs = monotonicNow();
  const spent = () => ({ spentMs: monotonicNow() - beganAtMs });
  const agreed = await findEra({
    name,
    known,
    ended,
    discover: (revision) => {
      const params = modernParams({}, { revision, clientInfo, capabilities, logLevel: undefined });
      return exchange.ask("server/discover", params as JsonObject, timeoutMs, spent());
    },
    initialize: () => {
      const ask = (protocolVersion: string) =>
        exchange.ask("initialize", { protocolVersion, capabilities, clientInfo }, timeoutMs, spent());
      return initialize(ask, name);
    },
    silence: awake && ((signal) => untilSilent(awake, { known, timeoutMs, signal })),
    onFound: (era) => options.onEra?.(era),
  });
  if (agreed.era === "modern") return openModern(parts, agreed);
  const { description } = agreed;
  const link = new LegacyLink({ ...parts, description });
  exchange.tasks = description.capabilities.tasks;
  transport.setProtocolVersion?.(description.protocolVersion);
  exchange.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  await parts.roots.settle((timeoutMs) => link.ping(timeoutMs));
  return link;
}

function openModern(
  { options, ...parts }: LinkParts,
  agreed: Pick<ServerLink, "description" | "revision">,
): ModernLink {
  const { name, clientInfo, capabilities, startTimeoutMs, log } = options;
  return new ModernLink({
    ...parts,
    ...agreed,
    name,
    clientInfo,
    capabilities,
    timeoutMs: startTimeoutMs,
    log,
  });
}

/** Resolves when a server has left a request unanswered for long enough, counted from when it runs and not from its start. */
async function untilSilent(
  awake: Promise<void>,
  { known, timeoutMs, signal }: { known: KnownEra; timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const pause = (ms: number) => delay(ms, { signal }).catch(() => {});
  // One that has answered before starts slowly: it may be of both eras, and `initialize` would make it legacy each time.
  if (known.is === "remembered") return await pause(timeoutMs / 2);
  const quietMs = Math.min(QUIET_MS, timeoutMs / 4);
  await Promise.race([awake.then(() => pause(quietMs)), pause(Math.min(SILENT_MS, timeoutMs / 2))]);
}

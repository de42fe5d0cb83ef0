import { delay } from "@std/async/delay";
import { MIB, SECOND_MS } from "../base/units.ts";
import { OWN_USER } from "../call/owner.ts";
import { RoundTrips } from "../round_trips/round_trips.ts";
import { bindConnection } from "../session/connection.ts";
import { ModernPeer } from "../session/modern_peer.ts";
import { ModernTenants } from "../session/modern_tenants.ts";
import { SessionRegistry } from "../session/registry.ts";
import { ProcessStdio } from "../transport/process_stdio.ts";
import { StdioChannel } from "../transport/stdio_channel.ts";
import type { Recording } from "./recording.ts";
import { RecordedTarget, type ReplaySpeed } from "./recorded_target.ts";

const MAX_FRAME_BYTES = 64 * MIB;

/** How long answers are waited for when the client has closed its end, beside the time that they took. */
const LAST_ANSWERS_MS = SECOND_MS;
const LOOK_MS = 10;

/** What a replay is served with. */
interface ServeOptions {
  speed: ReplaySpeed;
  /** Default: stdin and stdout of this process. */
  io?: ConstructorParameters<typeof StdioChannel>[0];
}

/**
 * Serves a recorded session over stdio, to clients of either era, by the code that serves the clients of the daemon.
 * Resolves when the client has closed its end.
 */
export async function serveRecording(
  recording: Recording,
  { speed, io = new ProcessStdio() }: ServeOptions,
): Promise<void> {
  const recorded = new RecordedTarget(recording, speed);
  const { target, serverInfo } = recorded;
  using registry = new SessionRegistry({ resumeWindowMs: 0, idleMs: 0, maxFrameBytes: MAX_FRAME_BYTES });
  using roundTrips = new RoundTrips();
  const session = registry.create({ isResumable: false, namedDirs: "read", principal: OWN_USER });
  const channel = new StdioChannel(io, { maxLineBytes: MAX_FRAME_BYTES });
  bindConnection(channel, session, {
    speaksOps: false,
    hooks: {
      registry,
      target,
      onNotification: () => {},
      modernPeer: (session) => {
        const tenants = new ModernTenants(session, (tenant) => roundTrips.forget(tenant));
        return new ModernPeer(session, tenants, { target, roundTrips, serverInfo });
      },
      health: () => Promise.resolve({}),
      rotateToken: () => Promise.resolve(false),
    },
  });
  await channel.read();
  session.modern.listens?.end();
  // A script may write all its requests at once and read the answers afterwards.
  const tookMs = speed === "real"
    ? recording.calls.reduce((most, { durationMs }) => Math.max(most, durationMs), 0)
    : 0;
  const endMs = performance.now() + tookMs + LAST_ANSWERS_MS;
  while (session.calls.size > 0 && !channel.isStopped && performance.now() < endMs) await delay(LOOK_MS);
  await channel.flushed();
}

import { ExaiError } from "../../base/errors.ts";
import type { Settings } from "../../config/settings.ts";
import { askDaemon, followDaemon } from "../../client/daemon_client.ts";
import { COLOURS, PLAIN } from "./paint.ts";
import { Top, type TopDaemon } from "./run.ts";
import { checkTerminal, TerminalScreen } from "./screen.ts";

/** Each ends `top` as `q` does, so that the terminal is as it was. */
const ENDS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK", "SIGHUP"]
  : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

const isWindows = Deno.build.os === "windows";

/**
 * Runs `top` on the terminal of this process.
 *
 * @throws {UsageError} where there is none
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when no daemon answers
 */
export async function runOnTerminal(daemon: TopDaemon, onStart: () => void): Promise<void> {
  checkTerminal();
  const ended = new AbortController();
  using screen = new TerminalScreen();
  const top = new Top(daemon, {
    end: ended.signal,
    suspend: isWindows ? undefined : () => screen.suspend(),
    paint: Deno.noColor ? PLAIN : COLOURS,
  });
  await top.start();
  onStart();
  using stack = new DisposableStack();
  listen(stack, ENDS, () => ended.abort());
  if (!isWindows) {
    listen(stack, ["SIGWINCH"], () => top.redraw());
    listen(stack, ["SIGCONT"], () => {
      screen.enter();
      top.redraw();
    });
  }
  screen.enter();
  await top.show(screen);
}

function listen(stack: DisposableStack, signals: readonly Deno.Signal[], listener: () => void): void {
  for (const signal of signals) {
    Deno.addSignalListener(signal, listener);
    stack.defer(() => Deno.removeSignalListener(signal, listener));
  }
}

/**
 * The lines of `GET /watch` of the running daemon, until `signal` aborts.
 *
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when no daemon answers, or one that has no such stream
 */
export async function* watchLines(
  settings: Settings,
  log: string | undefined,
  signal?: AbortSignal,
  follow = followDaemon,
): AsyncGenerator<string> {
  const query = log === undefined ? "" : `?${new URLSearchParams({ log })}`;
  try {
    yield* follow(settings, `/watch${query}`, signal);
  } catch (thrown) {
    const isOld = log === undefined && thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND";
    if (!isOld) throw thrown;
    const why = "the daemon that runs is older than this program, and cannot be watched";
    throw new ExaiError("DAEMON_UNAVAILABLE", `${why}; exai-daemon restart puts this version in its place`);
  }
}

/** The running daemon of `settings`. */
export function topDaemon(settings: Settings): TopDaemon {
  return {
    follow: (log, signal) => watchLines(settings, log, signal),
    ask: (path, { method, timeoutMs }) => askDaemon(settings, path, method, timeoutMs),
  };
}

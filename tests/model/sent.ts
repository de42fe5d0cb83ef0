import type { JsonObject } from "../../lib/base/json.ts";
import type { LogLevel } from "../../lib/wire/mcp.ts";
import type { RequestId } from "../../lib/wire/rpc.ts";
import type { Mode, ModelServer } from "./server.ts";

/** A request on its way, and what came of it. */
export interface Sent {
  id: RequestId;
  frame: string;
  method: string;
  server: ModelServer | undefined;
  mode: Mode | undefined;
  tag: string;
  sentAtMs: number;
  answeredAtMs: number;
  isCancelled: boolean;
  /** Its server was killed while it was on its way: an error is right too, and nothing it asked matters any more. */
  isCutOff: boolean;
  answers: JsonObject[];
  /** Whether the connection has held since it was sent: what only passes may be lost with one. */
  isWhole: boolean;
  /** What it was told of its progress. */
  progress: number[];
  /** What its window wanted to hear when it was sent; undefined when that was changed before the answer. */
  wanted: LogLevel | "all" | undefined;
  /** Of what is asked about a task: what the window calls that. */
  taskId: string | undefined;
}

/** What the window calls the task that `sent` has begun; undefined when it has begun none, or is not answered. */
export function taskBegunBy({ answers }: Sent): string | undefined {
  const result = answers[0]?.result as JsonObject | undefined;
  const taskId = (result?.task as JsonObject | undefined)?.taskId;
  return typeof taskId === "string" ? taskId : undefined;
}

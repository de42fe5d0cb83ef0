import * as z from "zod/mini";
import { isAbsolute } from "@std/path";
import { BOTH, seconds, setting } from "./setting.ts";

const isSocket = (value: string) =>
  ["auto", "off"].includes(value) || isAbsolute(value) || value.startsWith("\\\\.\\pipe\\");

/** The settings of the ways into the daemon beside the WebSocket address itself. */
export const DOOR_SETTINGS = {
  socket: setting<string>(
    {
      env: "EXAI_SOCKET",
      programs: BOTH,
      fallback: "auto",
      help:
        "Unix socket (named pipe on Windows) that shims try before the address; auto: in the state directory",
    },
    { allowed: "auto, off, or an absolute path", schema: z.string().check(z.refine(isSocket)) },
  ),
  tokenGraceMs: seconds(
    {
      env: "EXAI_TOKEN_GRACE",
      fallback: 60,
      help: "How long new connections may still show a token that was rotated; 0: not at all",
    },
    0,
    86_400,
  ),
} as const;

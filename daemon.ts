/** `exai-daemon`: see README.md. Everything is in lib/. */
import { daemonMain } from "./lib/app/daemon_main.ts";

Deno.exit(await daemonMain());

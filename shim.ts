/** `exai-shim`: see README.md. Everything is in lib/. */
import { shimMain } from "./lib/app/shim_main.ts";

Deno.exit(await shimMain());

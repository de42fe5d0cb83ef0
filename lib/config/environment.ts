/** The environment this program was started with, for whoever hands some of it on. Settings are read elsewhere. */
export function ownEnvironment(): Record<string, string> {
  return Deno.env.toObject();
}

import { assertEquals } from "@std/assert";
import { testDaemon } from "./helpers/daemon.ts";

/** A misspelt or foreign name of each kind, and what is said. */
const REFUSED: [method: string, path: string, message: string][] = [
  ["GET", "/status?all=1", '/status takes no "all"; allowed: nothing'],
  ["GET", "/calls?id=a1&tol=x", '/calls takes no "tol" (did you mean tool?)'],
  ["GET", "/watch?logs=a", '/watch takes no "logs" (did you mean log?); allowed: log'],
  [
    "POST",
    "/servers/stop?name=a&kye=b",
    '/servers/stop takes no "kye" (did you mean key?); allowed: name, key',
  ],
  ["POST", "/stop?hom=/elsewhere", '/stop takes no "hom" (did you mean home?); allowed: home'],
  ["POST", "/reload?server=a", '/reload takes no "server"; allowed: nothing'],
];

Deno.test("a query that a path does not know is refused before anything is done", async () => {
  await using it = await testDaemon();
  for (const [method, path, message] of REFUSED) {
    const response = await fetch(new URL(path, it.http), { method });
    const { error } = await response.json();
    assertEquals([response.status, error.message.startsWith(message)], [400, true], error.message);
  }
  const response = await fetch(new URL("/status?token=any", it.http));
  assertEquals(response.status, 200, "for clients that cannot set headers");
  await response.body?.cancel();
});

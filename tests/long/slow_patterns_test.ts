import { assertEquals } from "@std/assert";
import { slowInput } from "../helpers/regexes.ts";

Deno.test("the search for slow expressions finds those that were there", () => {
  const were: RegExp[] = [
    /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g,
    /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"]*:)[^\s/@"]+@/gi,
    /\s*\n\s*/g,
    /^Bearer +(.+)$/i,
    /^-+|-+$/g,
    /(\\*)"/g,
  ];
  const missed = were.filter(({ source, flags }) => slowInput(source, flags) === undefined).map(String);
  assertEquals(missed, []);
});

import { crowdOneHome } from "../helpers/crowd.ts";

Deno.test({
  name:
    "of six daemons started at once on one home one serves, and killed in a call it loses and doubles nothing",
  ignore: Deno.build.os !== "linux",
  fn: () => crowdOneHome(4),
});

import { crowdOneHome } from "../helpers/crowd.ts";

const ignore = Deno.build.os !== "linux";

Deno.test({
  name:
    "of six daemons started at once on one home one serves, and killed in a call it loses and doubles nothing",
  ignore,
  fn: () => crowdOneHome(4),
});

Deno.test({
  name:
    "fifty times six daemons on one home, each time killed in a call: nothing is lost, doubled or damaged",
  ignore,
  fn: () => crowdOneHome(50),
});

// The view of each kind of place.

import { blockView, normView, routerView } from "./block_view.js";
import { expertView } from "./expert_view.js";
import { headView } from "./head_view.js";
import { embeddingView, modelView, tokensView } from "./model_view.js";
import { outputView } from "./output_view.js";

export const VIEWS = {
  model: modelView,
  tokens: tokensView,
  embedding: embeddingView,
  block: blockView,
  norm: normView,
  head: headView,
  router: routerView,
  expert: expertView,
  output: outputView,
};

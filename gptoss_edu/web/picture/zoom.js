// Walking in and out: the part that was opened grows until it fills the stage, or shrinks back into its place.

const TIME = 420; // milliseconds
const EASE = "cubic-bezier(0.3, 0, 0.1, 1)";
const LARGEST = 5; // factor by which the place left behind grows

// Put `next` where the stage's view is. `key` names the part, in the old view (inwards) or in the new one (outwards).
export function zoom(stage, next, { key, inwards, still }) {
  for (const ghost of stage.querySelectorAll(".leaving")) ghost.remove();
  const before = stage.firstElementChild;
  const find = (view) => key && view?.querySelector(`[data-key="${key}"]`)?.getBoundingClientRect();
  const part = inwards ? find(before) : null;
  const frame = stage.getBoundingClientRect();
  if (!before || still || !next.animate) return void stage.replaceChildren(next);
  before.remove();
  stage.replaceChildren(next);
  const place = part || (!inwards && find(next));
  const small = place || { left: frame.left + frame.width / 4, top: frame.top + 40, width: frame.width / 2 };
  const [x, y, scale] = [small.left - frame.left, small.top - frame.top, small.width / frame.width];
  const far = Math.min(LARGEST, 1 / scale);
  const shrunk = { transform: `translate(${x}px, ${y}px) scale(${scale})`, opacity: 0 };
  const grown = { transform: `translate(${-x * far}px, ${-y * far}px) scale(${far})`, opacity: 0 };
  const whole = { transform: "none", opacity: 1 };
  before.classList.add("leaving");
  before.inert = true;
  stage.append(before);
  const options = { duration: TIME, easing: EASE };
  before.animate(inwards ? [whole, grown] : [whole, shrunk], options).finished.then(
    () => before.remove(),
    () => before.remove(),
  );
  next.animate(inwards ? [shrunk, whole] : [grown, whole], options);
}

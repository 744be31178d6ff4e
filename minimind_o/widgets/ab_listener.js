// Two sounds, not told which is which, and three answers.

function render({ model, el }) {
  el.classList.add("minimind-ab");
  const title = document.createElement("div");
  const players = ["first", "second"].map((name) => {
    const row = document.createElement("div");
    const audio = document.createElement("audio");
    audio.controls = true;
    row.append(`${name} `, audio);
    return { row, audio };
  });
  const answers = [
    ["first", "the first"],
    ["second", "the second"],
    ["same", "no difference"],
  ].map(([choice, label]) => {
    const button = document.createElement("button");
    button.className = "jupyter-button";
    button.textContent = label;
    button.dataset.choice = choice;
    button.onclick = () => model.send({ kind: "choice", trial: model.get("trial"), choice });
    return button;
  });
  const bar = document.createElement("div");
  bar.append(...answers);
  const result = document.createElement("pre");
  el.append(title, ...players.map(({ row }) => row), bar, result);

  let shown = [];
  const forget = () => shown.splice(0).forEach((address) => URL.revokeObjectURL(address));
  const load = (buffers) => {
    forget();
    buffers.forEach((view, side) => {
      const address = URL.createObjectURL(new Blob([view], { type: "audio/flac" }));
      shown.push(address);
      players[side].audio.src = address;
    });
  };
  const show = () => {
    const [trial, trials] = [model.get("trial"), model.get("trials")];
    const isOver = trial >= trials;
    title.textContent = isOver
      ? "Done: thank you."
      : `Pair ${trial + 1} of ${trials}. ${model.get("question")}`;
    [...players.map(({ row }) => row), bar].forEach((part) => {
      part.style.display = isOver ? "none" : "";
    });
    result.textContent = model.get("result");
    if (!isOver) model.send({ kind: "pair", trial });
  };
  const received = (message, buffers) => {
    if (message.kind === "pair" && message.trial === model.get("trial")) load(buffers);
  };
  model.on("msg:custom", received);
  model.on("change:trial", show);
  show();
  return () => {
    model.off("msg:custom", received);
    model.off("change:trial", show);
    forget();
  };
}

export default { render };

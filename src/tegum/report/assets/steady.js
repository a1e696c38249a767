// Names inside a picture are drawn by chance; the same chance each time gives the same file.
(() => {
  let state = 1;
  Math.random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
})();

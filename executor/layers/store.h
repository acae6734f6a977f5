// How a layer stores a result.
#pragma once

namespace sextant {

// Whether a result replaces what is in its buffer or is added to it.
enum class Store { kReplace, kAdd };

}  // namespace sextant

// Numbers too small for a normalised float (below 1.2e-38) cost a processor tens to hundreds of cycles each.
#pragma once

namespace sextant {

// On the calling thread such numbers count as zero from now on, as results and as operands. False where this build
// knows no such switch of the processor (denormals_other.cpp): then nothing changes.
bool flush_denormals();

}  // namespace sextant

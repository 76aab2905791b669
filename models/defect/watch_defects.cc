#include "models/defect/watch_defects.h"

#include <algorithm>
#include <utility>

namespace overlab {

KvWatchId CompactionIgnored::watch(std::string prefix, Revision from,
                                   std::function<void(Result<KvWatchUpdate>)> update) {
    return below().watch(std::move(prefix), from,
                         [update = std::move(update)](const Result<KvWatchUpdate>& told) {
                             if (!told && told.error().kind == ErrorKind::compacted) return;
                             update(told);
                         });
}

KvWatchId FirstEventOnly::watch(std::string prefix, Revision from,
                                std::function<void(Result<KvWatchUpdate>)> update) {
    return below().watch(std::move(prefix), from,
                         [update = std::move(update)](Result<KvWatchUpdate> told) {
                             if (told && told->events.size() > 1) told->events.resize(1);
                             update(std::move(told));
                         });
}

void StoreLossIgnored::range(std::string prefix, KvCallback<KvRange> done) {
    below().range(std::move(prefix),
                  [highest = highest_, done = std::move(done)](Result<KvRange> answer) {
                      if (answer) {
                          *highest = std::max(*highest, answer->revision);
                          answer->revision = *highest;
                      }
                      done(std::move(answer));
                  });
}

KvWatchId StoreLossIgnored::watch(std::string prefix, Revision from,
                                  std::function<void(Result<KvWatchUpdate>)> update) {
    return below().watch(
        std::move(prefix), from,
        [from, highest = highest_, update = std::move(update)](const Result<KvWatchUpdate>& told) {
            if (told && told->revision < from) return;
            if (told) *highest = std::max(*highest, told->revision);
            update(told);
        });
}

}  // namespace overlab

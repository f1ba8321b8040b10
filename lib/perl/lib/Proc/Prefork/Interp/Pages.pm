package Proc::Prefork::Interp::Pages;

# Memory that requests write to. After a fork a process shares its pages with the server, and copies each when it
# first writes to it: some hundred interruptions in the time of a request. The requests of a script write to
# the same pages; so an executor has these copied in one go, before it has its request.
#
#   server     asked: which memory there is ── fork ──▶
#   executor   at its end: which pages are its own by now ── inbox ──▶ server
#   executor   the same, and those of the first answer only ── inbox ──▶ server: hear
#   server     ── fork ──▶ executor: populate
#
# Where perl puts a value depends on which pieces of memory are free, and in which order. So an executor does
# nothing for this but at its end, and the server hears an answer with as few values as can be: what both do
# in between would have later executors write to other pages.
#
# Linux 5.14 and later, 64 bits. Elsewhere nothing is changed.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub ANSWERS ()        { 2 }           # how many the server wants
sub SPARED ()         { 2 }           # executors that are not asked: somebody waits for these
sub ASKED ()          { 40 }          # executors, until it gives up: many may have been made ahead
sub MOST ()           { 4096 }        # pages of one answer
sub PART ()           { 2000 }        # bytes of an answer in one string of the inbox
sub PAIR ()           { 16 }          # bytes of address and length
sub POPULATE_WRITE () { 23 }
sub PIDFD_SELF ()     { -10001 }      # PIDFD_SELF_THREAD_GROUP
sub AT_PAGESZ ()      { 6 }

my $asked = 0;                        # executors that could have been asked
my $heard = 0;                        # answers
my $watched;                          # this executor is asked
my @memory;                           # first page, pages, ...: what the server has that is private and may be written to
my $size;                             # of a page
my $answer = '';                      # the part of an answer that has come
my ($ranges, $vectors, $count) = ('', 0, 0);    # the last answer: pairs of address and length; where they are; how many to populate
my ($numbers) = Proc::Prefork::Interp::Syscall::tools();

# watch() is called in an executor that has not begun: it will answer, if the server has not yet heard enough.
sub watch {
    $watched = @memory && $asked < ASKED && $heard < ANSWERS;
    return;
}

# answer() tells the server at the end of an executor that is watched which pages it has copied, of those that the
# server has heard of, if it has.
sub answer {
    return unless $watched;
    my @memory = @memory;
    my (%known, @found);
    my @known = unpack 'L!*', $ranges;
    while (my ($address, $length) = splice @known, 0, 2) {
        @known{ map { $address / $size + $_ } 0 .. $length / $size - 1 } = ();
    }
    while (my ($first, $pages) = splice @memory, 0, 2) {
        my $own = _own($first, $pages);
        push @found, grep { !%known || exists $known{$_} } map { $first + $_ } grep { vec $own, $_, 8 } 0 .. $pages - 1;
    }
    return if !@found || @found > MOST;
    my @ranges;
    for my $page (@found) {
        push @ranges, $page, 0 if !@ranges || $ranges[-2] + $ranges[-1] < $page;
        $ranges[-1]++;
    }
    my $text = unpack 'H*', pack 'L!*', map { $_ * $size } @ranges;
    Proc::Prefork::Interp::Loaded::post((map { "pages $_" } unpack '(a' . PART . ')*', $text), "pages end $heard");
    return;
}

# asked() is called in the server after each fork, until it returns false: enough is known.
sub asked {
    $asked++;
    @memory = _memory() if !@memory && $asked >= SPARED && $numbers->{madvise} && length pack('P P', '', '') == PAIR;
    return $asked < ASKED && $heard < ANSWERS;
}

# begin_anew() forgets what was found out, because the server has other memory now.
sub begin_anew {
    ($asked, $heard, $count) = (SPARED - 1, 0, 0);
    ($ranges, $answer, @memory) = ('', '');
    return;
}

# hear(@strings) takes what answer has sent.
sub hear {
    for my $string (@_) {
        if (substr($string, 6, 3) ne 'end') {
            $answer .= pack 'H*', substr $string, 6;
            next;
        }
        my $found = $answer;
        $answer = '';
        next if $string ne "pages end $heard";    # it does not know the answer that has come meanwhile
        $ranges = $found;
        $count = ++$heard == ANSWERS ? length($ranges) / PAIR : 0;
        $vectors = unpack('L!', pack 'P', $ranges) =~ /(\d+)/ && $1 + 0;    # a match, which also clears taint
    }
    return;
}

# populate() copies the pages into this process. A kernel before 6.15 has to be told one by one, and stops at the
# first error.
sub populate {
    return if !$count || syscall($numbers->{process_madvise}, PIDFD_SELF, $vectors, $count, POPULATE_WRITE, 0) > 0;
    my @ranges = unpack 'L!*', $ranges;
    while (my ($address, $length) = splice @ranges, 0, 2) {
        syscall($numbers->{madvise}, $address, $length, POPULATE_WRITE) == 0 or return;
    }
    return;
}

# Which pages are in memory and mapped by no other process: a byte for each.
sub _own {
    my ($first, $count) = @_;
    my $text = _read('/proc/self/pagemap', $count * 8, $first * 8);
    my $own  = "\0" x $count;
    my $last = unpack('C', pack 'S', 1) ? 7 : 0;    # where the highest byte of a number of 64 bits is
    for my $page (0 .. length($text) / 8 - 1) {
        vec($own, $page, 8) = 1 if (vec($text, $page * 8 + $last, 8) & 0x81) == 0x81;
    }
    return $own;
}

# What this process has that is private and may be written to, but for the stack.
sub _memory {
    $size = _page_size() // return;
    my @found;
    local $^W = 0;    # under -w perl finds addresses of 64 bits not portable
    for my $line (split /\n/, _read('/proc/self/maps', 1 << 20)) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw-p (?!.*\[stack\])/ or next;
        push @found, hex($from) / $size, (hex($to) - hex $from) / $size;
    }
    return @found;
}

sub _page_size {
    my %values = unpack 'L!*', _read('/proc/self/auxv', 4096);
    return ($values{ +AT_PAGESZ } // '') =~ /^(\d+)$/ ? $1 : undef;    # a match, which also clears taint
}

sub _read {
    my ($path, $length, $offset) = @_;
    my $text = '';
    sysopen my $file, $path, 0 or return $text;    # O_RDONLY
    binmode $file;
    sysseek $file, $offset, 0 if $offset;
    while (length $text < $length) {
        sysread $file, $text, $length - length $text, length $text or last;
    }
    return $text;
}

1;

package Proc::Prefork::Interp::Pages;

# Memory that requests write to. After a fork a process shares its pages with the server, and copies each when it
# first writes to it: some hundred interruptions in the time of a request. The requests of a script write to
# much the same pages; so an executor has these copied in one go, before it has its request.
#
#   executor   parked: watch ─▶ its request ─▶ at its end: answer ── inbox ──▶ server
#   server     hear: the pages that two executors have copied ── fork ──▶ executor: populate
#
# Linux 5.14 and later, 64 bits. Elsewhere nothing is changed.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub ANSWERS ()        { 2 }           # how many the server wants
sub SPARED ()         { 2 }           # executors that are not asked: somebody waits for these
sub ASKED ()          { 20 }          # executors, until it gives up
sub MOST ()           { 4096 }        # pages of one answer
sub POPULATE_WRITE () { 23 }
sub PIDFD_SELF ()     { -10001 }      # PIDFD_SELF_THREAD_GROUP
sub AT_PAGESZ ()      { 6 }

my $asked = 0;                        # executors that could have been asked
my $heard = 0;                        # answers
my %pages;                            # page => how many answers have it
my ($ranges, $vectors, $count) = ('', 0, 0);    # what is populated: pairs of address and length, where they are, how many
my ($numbers) = Proc::Prefork::Interp::Syscall::tools();
my $size;                             # of a page
my @watched;                          # first page, pages, which of them are this process's own: a string

# watch() notes in an executor that has not begun which pages are its own, if the server has not yet heard
# enough; after that it does nothing.
sub watch {
    return if !$numbers->{madvise} || $asked < SPARED || $asked >= ASKED || $heard >= ANSWERS || length pack('L!', 0) != 8;
    $size = _page_size() // return;
    local $^W = 0;    # under -w perl finds addresses of 64 bits not portable
    for my $line (split /\n/, _read('/proc/self/maps', 1 << 20)) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw-p (?!.*\[stack\])/ or next;
        my ($first, $count) = (hex($from) / $size, (hex($to) - hex $from) / $size);
        push @watched, $first, $count, _own($first, $count);
    }
    return;
}

# answer() tells the server at the end of an executor that has watched which pages it has copied.
sub answer {
    my @found;
    while (my ($first, $count, $before) = splice @watched, 0, 3) {
        my $now = _own($first, $count);
        push @found, map { $first + $_ } grep { vec($now, $_, 8) && !vec $before, $_, 8 } 0 .. $count - 1;
    }
    return if !@found || @found > MOST;
    my @strings;
    while (my @some = splice @found, 0, 300) {
        push @strings, join ' ', 'pages', @some;
    }
    Proc::Prefork::Interp::Loaded::post(@strings, 'pages end');
    return;
}

# asked() is called in the server after each fork, until it returns false: enough is known.
sub asked {
    return ++$asked < ASKED && $heard < ANSWERS;
}

# begin_anew() forgets what was found out, because the server has other memory now.
sub begin_anew {
    ($asked, $heard) = (SPARED, 0);
    %pages  = ();
    $count  = 0;
    return;
}

# hear(@strings) takes what answer has sent.
sub hear {
    for my $string (@_) {
        if ($string ne 'pages end') {
            $pages{$_}++ for $string =~ / (\d+)/g;    # a match, which also clears taint
        }
        elsif (++$heard == ANSWERS) {
            $size = _page_size() // return;
            my @ranges;
            for my $page (sort { $a <=> $b } grep { $pages{$_} == ANSWERS } keys %pages) {
                push @ranges, $page, 0 if !@ranges || $ranges[-2] + $ranges[-1] < $page;
                $ranges[-1] = $page - $ranges[-2] + 1;
            }
            $ranges  = pack 'L!*', map { $_ * $size } @ranges;
            $vectors = unpack 'L!', pack 'P', $ranges;
            $count   = @ranges / 2;
            %pages = ();
        }
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
